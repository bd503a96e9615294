import type { Claims } from "express-portal-auth";
import type { TokenFacts } from "../token-facts.js";
import { renderClaimsTable } from "./claims.js";
import { type Html, html } from "./html.js";
import { renderPage } from "./layout.js";
import { renderTokenCards } from "./tokens.js";
import { getDisplayName, renderAvatar } from "./user.js";

export interface Account {
  readonly user: Claims;
  readonly tokens: TokenFacts;
  /** Whether the inspector, a page for developers, is mounted. */
  readonly hasInspector: boolean;
}

export function renderAccountPage({ user, tokens, hasInspector }: Account): string {
  const email = user.email ? html`${renderEmail(user.email)} · ` : undefined;
  const content = html`<div class="answer" id="session-end" hidden>
<p class="title" role="alert"></p>
<p class="left" aria-hidden="true"></p>
<p class="actions"><button class="button primary" type="button"></button></p>
</div>

<section class="who">
${renderAvatar(user)}
<div>
<h1>${getDisplayName(user)}</h1>
<p>${email}signed in by ${getHost(user.iss)} · <a href="/sessions">your sessions</a></p>
</div>
</section>

<section aria-labelledby="tokens">
<h2 id="tokens">Tokens</h2>
<p class="intro">They stay on the server. This page knows only when each of them expires.
${hasInspector ? INSPECTOR_LINK : undefined}</p>
${renderTokenCards(tokens)}
</section>

<section aria-labelledby="twenty">
<h2 id="twenty">Twenty calls, one refresh</h2>
<p class="intro">If the access token has expired or expires soon, the next call that needs it makes the app
refresh the tokens. Many providers accept a refresh token only once, so twenty calls must not
refresh twenty times. Wait until the access token has expired, then send the calls.</p>
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
<p class="intro"><code>GET /api/me</code> has the same guard as this page.
<code>GET /api/userinfo</code> sends your access token to the provider.</p>
<p class="actions">
<button class="button primary" type="button" data-call="signed-in">Call the API</button>
<button class="button" type="button" data-call="signed-out">Call it signed out</button>
<button class="button" type="button" data-call="userinfo">Call the provider</button>
</p>
<noscript><p class="intro">The buttons need JavaScript.</p></noscript>
<div class="answer" id="answer" hidden>
<div id="outcome" role="status"></div>
<pre role="region" aria-label="Response body" tabindex="0"><code id="body"></code></pre>
</div>
</section>

<section aria-labelledby="claims">
<h2 id="claims">Your claims</h2>
<p class="intro">The verified claims of your ID token,
and the claims that the provider’s <code>/userinfo</code> adds.</p>
${renderClaimsTable(user)}
</section>`;
  return renderPage({
    title: `${getDisplayName(user)} – Doorway`,
    content,
    user,
    path: "/account",
    script: "/account.js",
  });
}

const INSPECTOR_LINK = html`For developers: <a href="/portal-inspector/">see the events of this login</a>.`;

/** A long email address can break at its @ on a phone. */
const renderEmail = (email: string): Html =>
  html`${email.split("@").map((part, n) => (n === 0 ? html`${part}` : html`<wbr>@${part}`))}`;

const getHost = (iss: string | undefined): string =>
  iss !== undefined && URL.canParse(iss) ? new URL(iss).host : "the provider";
