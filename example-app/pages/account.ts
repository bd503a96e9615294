import type { Claims } from "express-portal-auth";
import type { TokenLife } from "../token-lives.js";
import { claimsTable } from "./claims.js";
import { type Html, html } from "./html.js";
import { page } from "./layout.js";
import { avatar, nameOf } from "./person.js";
import { clock } from "./time.js";

export interface Account {
  readonly person: Claims;
  readonly lives: readonly TokenLife[];
}

export function accountPage({ person, lives }: Account): string {
  const content = html`<section class="who">
${avatar(person)}
<div>
<h1>${nameOf(person)}</h1>
<p>${person.email ? html`${person.email} · ` : undefined}vouched for by ${host(person.iss)}</p>
</div>
</section>

<section aria-labelledby="tokens">
<h2 id="tokens">Tokens</h2>
<p class="intro">They stay on the server. This page knows only how long each of them lives.</p>
<ul class="tokens">
${lives.map(tokenCard)}
</ul>
<p class="visually-hidden" role="status" id="news"></p>
</section>

<section aria-labelledby="api">
<h2 id="api">Call an API</h2>
<p class="intro"><code>GET /api/me</code> stands behind the same guard as this page. See what it tells a script.</p>
<p class="actions">
<button class="button primary" type="button" data-call="signed-in">Call the API</button>
<button class="button" type="button" data-call="signed-out">Call it signed out</button>
</p>
<noscript><p class="intro">The buttons need JavaScript.</p></noscript>
<div class="answer" id="answer" hidden>
<div id="outcome" role="status"></div>
<pre role="region" aria-label="Body of the answer" tabindex="0"><code id="body"></code></pre>
</div>
</section>

<section aria-labelledby="claims">
<h2 id="claims">What the portal says about you</h2>
<p class="intro">The claims of your ID token, whose signature was verified, and what the portal’s <code>/userinfo</code> adds.</p>
${claimsTable(person)}
</section>`;
  return page({ title: `${nameOf(person)} – Doorway`, content, person, path: "/account", script: "/account.js" });
}

const TOKENS: Record<TokenLife["token"], { name: string; purpose: string }> = {
  access_token: { name: "Access token", purpose: "Opens APIs in your name." },
  refresh_token: { name: "Refresh token", purpose: "Fetches new tokens without asking you again." },
  id_token: { name: "ID token", purpose: "Says who you are. It was read once, when you came in." },
};

function tokenCard({ token, secondsLeft, secondsInAll }: TokenLife): Html {
  const { name, purpose } = TOKENS[token];
  const card = (life: Html) => html`<li class="token">
<h3 id="${token}">${name}</h3>
<p>${purpose}</p>
${life}
</li>
`;
  if (secondsLeft === null || secondsInAll === null)
    return card(html`<p class="left">No known end</p><div class="endless" aria-hidden="true"></div>`);
  // account.js counts down from here; without it the moment of the end stays true
  const end = secondsLeft > 0 ? `Ends at ${clock(Date.now() + secondsLeft * 1000)}` : "Has run out";
  return card(html`<p class="left">${end}</p>
<progress aria-labelledby="${token}" max="${secondsInAll}" value="${secondsLeft}" data-name="${name}"></progress>`);
}

const host = (iss: string | undefined): string =>
  iss !== undefined && URL.canParse(iss) ? new URL(iss).host : "the portal";
