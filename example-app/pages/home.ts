import type { Claims } from "express-portal-auth";
import { type Html, html } from "./html.js";
import { page } from "./layout.js";
import { time } from "./time.js";
import { getShortName } from "./user.js";

export interface Home {
  readonly user: Claims | undefined;
  /** When they signed in the time before, in milliseconds since 1970. */
  readonly lastVisit: number | undefined;
}

export function homePage({ user, lastVisit }: Home): string {
  const content = html`<section class="hero">
<div>
${user ? greeting(user, lastVisit) : welcome()}
</div>
${doorway(user !== undefined)}
</section>
<section aria-labelledby="tour">
<h2 id="tour">Four things to try</h2>
<ol class="tour">
<li><h3>A page with a guard</h3><p><a href="/account">Your account</a> is for people who are signed in. Everybody else is taken to the portal first, and comes back to that very page.</p></li>
<li><h3>An API that says no</h3><p>A script cannot sign in, so a guarded API answers it with a clear <code>401</code> that tells where a person can.</p></li>
<li><h3>Tokens that stay alive</h3><p>Access tokens run out soon. Let that of <a href="/account">your account</a> do so, and send twenty calls at once: the app fetches new tokens, once.</p></li>
<li><h3>A way out</h3><p>Signing out ends the session here, the tokens, and the session at the portal as well. <a href="/sessions">Your sessions</a> in other browsers end when you say so.</p></li>
</ol>
</section>`;
  return page({
    title: "Doorway – an example of signing in through a portal",
    content,
    user,
    path: "/",
    script: "/times.js",
  });
}

const welcome = (): Html => html`<p class="eyebrow">express-portal-auth</p>
<h1>Let the portal answer the door.</h1>
<p class="lead">A small Express app that asks a portal who you are. The tokens stay on the server; your browser gets no more than a cookie.</p>
<p class="actions"><a class="button primary" href="/login?returnTo=/account">Sign in</a></p>`;

const greeting = (
  user: Claims,
  lastVisit: number | undefined,
): Html => html`<p class="eyebrow">You are signed in</p>
<h1>Hello, ${getShortName(user)}.</h1>
<p class="lead">${
  lastVisit === undefined
    ? "Good to meet you: this is your first visit."
    : html`Good to see you again. You last came in on ${time(lastVisit)}.`
}</p>
<p class="actions"><a class="button primary" href="/account">Your account</a><a class="button" href="/logout">Sign out</a></p>`;

/** The door is ajar for visitors, and open for whoever has come in. */
const doorway = (isOpen: boolean): Html => html`<svg class="doorway" viewBox="0 0 320 376" aria-hidden="true">
<defs>
<clipPath id="frame"><path d="M112 330V180a48 48 0 0 1 96 0v150z"/></clipPath>
<linearGradient id="fade" x1="0" y1="0" x2="0" y2="1"><stop class="near" offset="0"/><stop class="far" offset="1"/></linearGradient>
</defs>
<path class="arch a1" d="M16 330V160a144 144 0 0 1 288 0v170z"/>
<path class="arch a2" d="M48 330V166a112 112 0 0 1 224 0v164z"/>
<path class="arch a3" d="M80 330V172a80 80 0 0 1 160 0v158z"/>
<g clip-path="url(#frame)">
<path class="glow" d="M112 120h96v210h-96z"/>
${isOpen ? undefined : html`<path class="door" d="M112 120h76v210h-76z"/><circle class="knob" cx="176" cy="248" r="4"/>`}
</g>
<path fill="url(#fade)" d="${isOpen ? "M112 330h96l44 46H68z" : "M188 330h20l44 46h-44z"}"/>
</svg>`;
