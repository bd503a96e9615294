import type { Claims } from "express-portal-auth";
import type { TokenFacts } from "../token-facts.js";
import { claimsTable } from "./claims.js";
import { type Html, html } from "./html.js";
import { page } from "./layout.js";
import { tokenCards } from "./tokens.js";
import { getDisplayName, renderAvatar } from "./user.js";

export interface Account {
  readonly user: Claims;
  readonly tokens: TokenFacts;
  /** Whether there is a page that shows what happens, for developers. */
  readonly inspects: boolean;
}

export function accountPage({ user, tokens, inspects }: Account): string {
  const content = html`<div class="answer" id="session-end" hidden>
<p class="title" role="alert"></p>
<p class="left" aria-hidden="true"></p>
<p class="actions"><button class="button primary" type="button"></button></p>
</div>

<section class="who">
${renderAvatar(user)}
<div>
<h1>${getDisplayName(user)}</h1>
<p>${user.email ? html`${breakable(user.email)} · ` : undefined}vouched for by ${host(user.iss)} · <a href="/sessions">where you are signed in</a></p>
</div>
</section>

<section aria-labelledby="tokens">
<h2 id="tokens">Tokens</h2>
<p class="intro">They stay on the server. This page knows only how long each of them lives.${inspects ? html` For developers: <a href="/portal-inspector/">see how this login went</a>.` : undefined}</p>
${tokenCards(tokens)}
</section>

<section aria-labelledby="twenty">
<h2 id="twenty">Twenty calls, one refresh</h2>
<p class="intro">When the access token has run out, or is about to, the next call that needs one makes the app fetch new tokens. Many portals take a refresh token only once, so twenty calls must not fetch twenty times. Let the bar run out, then send them.</p>
<p class="actions">
<button class="button primary" type="button" id="call-twenty">Call the API twenty times at once</button>
</p>
<noscript><p class="intro">The button needs JavaScript.</p></noscript>
<div class="answer" id="tally" hidden>
<ol class="calls" aria-hidden="true"></ol>
<div role="status"></div>
</div>
</section>

<section aria-labelledby="api">
<h2 id="api">Call an API</h2>
<p class="intro"><code>GET /api/me</code> stands behind the same guard as this page. See what it tells a script. <code>GET /api/userinfo</code> uses your access token: it asks the portal.</p>
<p class="actions">
<button class="button primary" type="button" data-call="signed-in">Call the API</button>
<button class="button" type="button" data-call="signed-out">Call it signed out</button>
<button class="button" type="button" data-call="userinfo">Ask the portal</button>
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
${claimsTable(user)}
</section>`;
  return page({
    title: `${getDisplayName(user)} – Doorway`,
    content,
    user,
    path: "/account",
    script: "/account.js",
  });
}

/** An address that is too long for a phone goes on in the next line at its @. */
const breakable = (email: string): Html =>
  html`${email.split("@").map((part, n) => (n === 0 ? html`${part}` : html`<wbr>@${part}`))}`;

const host = (iss: string | undefined): string =>
  iss !== undefined && URL.canParse(iss) ? new URL(iss).host : "the portal";
