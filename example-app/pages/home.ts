import type { Claims } from "express-portal-auth";
import { type Html, html } from "./html.js";
import { renderPage } from "./layout.js";
import { renderTime } from "./time.js";
import { getShortName } from "./user.js";

export interface Home {
  readonly user: Claims | undefined;
  /** Time of the user's previous sign-in, in milliseconds since 1970. */
  readonly lastVisit: number | undefined;
}

export function renderHomePage({ user, lastVisit }: Home): string {
  const content = html`<section class="hero">
<div>
${user ? renderGreeting(user, lastVisit) : renderWelcome()}
</div>
${renderDoorway(user !== undefined)}
</section>
<section aria-labelledby="tour">
<h2 id="tour">Four things to try</h2>
<ol class="tour">
<li><h3>A guarded page</h3><p><a href="/account">Your account</a> is only for signed-in users.
Other users are redirected to the provider first, and then come back to the same page.</p></li>
<li><h3>A guarded API</h3><p>A script cannot sign in.
A guarded API responds with <code>401</code> and the URL of the login.</p></li>
<li><h3>Token refresh</h3><p>Access tokens expire soon.
On <a href="/account">your account</a> page, wait until yours has expired, and send twenty calls at once.
The app refreshes the tokens only once.</p></li>
<li><h3>Sign-out</h3><p>Signing out ends the session in this app, revokes the tokens, and ends the session
at the provider. You can also end <a href="/sessions">your sessions</a> in other browsers.</p></li>
</ol>
</section>`;
  return renderPage({
    title: "Doorway – the example app of express-portal-auth",
    content,
    user,
    path: "/",
    script: "/times.js",
  });
}

const renderWelcome = (): Html => html`<p class="eyebrow">express-portal-auth</p>
<h1>Sign in with your provider.</h1>
<p class="lead">A small Express app that signs users in at an OpenID provider.
The tokens stay on the server. Your browser gets only a cookie.</p>
<p class="actions"><a class="button primary" href="/login?returnTo=/account">Sign in</a></p>`;

const renderGreeting = (
  user: Claims,
  lastVisit: number | undefined,
): Html => html`<p class="eyebrow">You are signed in</p>
<h1>Hello, ${getShortName(user)}.</h1>
<p class="lead">${
  lastVisit === undefined
    ? "Welcome. This is your first visit."
    : html`Welcome back. You last signed in on ${renderTime(lastVisit)}.`
}</p>
<p class="actions"><a class="button primary" href="/account">Your account</a>
<a class="button" href="/logout">Sign out</a></p>`;

const DOOR = html`<path class="door" d="M112 120h76v210h-76z"/>
<circle class="knob" cx="176" cy="248" r="4"/>`;

/** The picture of a door: open for a signed-in user, ajar for others. */
const renderDoorway = (
  isOpen: boolean,
): Html => html`<svg class="doorway" viewBox="0 0 320 376" aria-hidden="true">
<defs>
<clipPath id="frame"><path d="M112 330V180a48 48 0 0 1 96 0v150z"/></clipPath>
<linearGradient id="fade" x1="0" y1="0" x2="0" y2="1">
<stop class="near" offset="0"/><stop class="far" offset="1"/>
</linearGradient>
</defs>
<path class="arch a1" d="M16 330V160a144 144 0 0 1 288 0v170z"/>
<path class="arch a2" d="M48 330V166a112 112 0 0 1 224 0v164z"/>
<path class="arch a3" d="M80 330V172a80 80 0 0 1 160 0v158z"/>
<g clip-path="url(#frame)">
<path class="glow" d="M112 120h96v210h-96z"/>
${isOpen ? undefined : DOOR}
</g>
<path fill="url(#fade)" d="${isOpen ? "M112 330h96l44 46H68z" : "M188 330h20l44 46h-44z"}"/>
</svg>`;
