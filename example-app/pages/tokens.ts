import type { TokenFacts, TokenLifetime, TokenName } from "../token-facts.js";
import { type Html, html } from "./html.js";
import { clock, clockTime } from "./time.js";

const TOKENS: Record<TokenName, { name: string; purpose: string }> = {
  access_token: { name: "Access token", purpose: "Opens APIs in your name." },
  refresh_token: { name: "Refresh token", purpose: "Fetches new tokens without asking you again." },
  id_token: { name: "ID token", purpose: "Says who you are. It was read once, when you came in." },
};

/** A card for each token. public/token-bars.js goes on from here: it counts down, and starts again after a refresh. */
export const tokenCards = ({ token_set, obtained_at, lives }: TokenFacts): Html => html`<ul class="tokens">
${Object.entries(lives).map(([token, life]) =>
  card(token as TokenName, life, token === "access_token" ? since(token_set, obtained_at) : undefined),
)}
</ul>
<p class="visually-hidden" role="status" id="news"></p>`;

function card(token: TokenName, life: TokenLifetime | null, origin: Html | undefined): Html {
  const { name, purpose } = TOKENS[token];
  return html`<li class="token" data-token="${token}" data-name="${name}">
<h3 id="${token}">${name}</h3>
<p>${purpose} ${origin}</p>
${life === null ? endless : bar(token, life)}
</li>
`;
}

const since = (tokenSet: number, obtainedAt: number): Html =>
  html`<span id="since">${tokenSet === 1 ? "Came with your sign-in" : "Last refreshed"} at ${clockTime(obtainedAt * 1000)}.</span>`;

const endless = html`<p class="left">No known end</p><div class="endless" aria-hidden="true"></div>`;

/** Without a script the moment of the end stays true. */
const bar = (
  token: TokenName,
  { seconds_left, seconds_in_all }: TokenLifetime,
): Html => html`<p class="left">${
  seconds_left > 0 ? `Ends at ${clock(Date.now() + seconds_left * 1000)}` : "Has run out"
}</p>
<progress aria-labelledby="${token}" max="${seconds_in_all}" value="${seconds_left}"></progress>`;
