import type { TokenFacts, TokenLifetime, TokenName } from "../token-facts.js";
import { type Html, html } from "./html.js";
import { formatTimeOfDay, renderTimeOfDay } from "./time.js";

const TOKENS: Record<TokenName, { name: string; purpose: string }> = {
  access_token: { name: "Access token", purpose: "The app calls APIs with it in your name." },
  refresh_token: {
    name: "Refresh token",
    purpose: "The app gets new tokens with it, without a new sign-in.",
  },
  id_token: { name: "ID token", purpose: "It says who you are. The app verified it when you signed in." },
};

/**
 * Renders a card for each token. public/token-bars.js counts down in the browser, and starts again after a
 * refresh.
 */
export const renderTokenCards = (facts: TokenFacts): Html => html`<ul class="tokens">
${Object.entries(facts.lifetimes).map(([token, lifetime]) =>
  renderCard(token as TokenName, lifetime, token === "access_token" ? renderOrigin(facts) : undefined),
)}
</ul>
<p class="visually-hidden" role="status" id="news"></p>`;

function renderCard(token: TokenName, lifetime: TokenLifetime | null, origin: Html | undefined): Html {
  const { name, purpose } = TOKENS[token];
  return html`<li class="token" data-token="${token}" data-name="${name}">
<h3 id="${token}">${name}</h3>
<p>${purpose} ${origin}</p>
${lifetime === null ? UNKNOWN_LIFETIME : renderBar(token, lifetime)}
</li>
`;
}

function renderOrigin({ token_set, obtained_at }: TokenFacts): Html {
  const origin = token_set === 1 ? "From your sign-in" : "Last refreshed";
  return html`<span id="since">${origin} at ${renderTimeOfDay(obtained_at * 1000)}.</span>`;
}

const UNKNOWN_LIFETIME = html`<p class="left">Unknown lifetime</p>
<div class="endless" aria-hidden="true"></div>`;

/** Without JavaScript the page shows the time of expiry, which stays true. */
const renderBar = (
  token: TokenName,
  { seconds_left, total_seconds }: TokenLifetime,
): Html => html`<p class="left">${
  seconds_left > 0 ? `Expires at ${formatTimeOfDay(Date.now() + seconds_left * 1000)}` : "Expired"
}</p>
<progress aria-labelledby="${token}" max="${total_seconds}" value="${seconds_left}"></progress>`;
