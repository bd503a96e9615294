import type { Claims, SessionInfo } from "express-portal-auth";
import { type Html, html } from "./html.js";
import { page } from "./layout.js";
import { time } from "./time.js";

export interface Sessions {
  readonly user: Claims;
  /** The one that was used last first. */
  readonly sessions: readonly SessionInfo[];
}

export function sessionsPage({ user, sessions }: Sessions): string {
  const content = html`<section class="who">
<div>
<h1>Where you are signed in</h1>
<p>Each line is a browser with a session of yours in this app. What you end is over at once, whatever that browser is doing.</p>
</div>
</section>

<section aria-labelledby="sessions">
<h2 id="sessions" class="visually-hidden">Your sessions</h2>
<ul class="sessions">
${sessions.map(renderSession)}
</ul>
<form method="post" action="/sessions/end-all" class="actions">
<button class="button primary">Sign out everywhere</button>
</form>
</section>`;
  return page({
    title: "Where you are signed in – Doorway",
    content,
    user,
    path: "/sessions",
    script: "/times.js",
  });
}

const renderSession = (session: SessionInfo): Html => {
  const { id, started_at, last_seen_at, is_current } = session;
  const name = describeDevice(session);
  return html`<li class="session">
<div>
<h3>${name}${is_current ? html` <span class="badge">this browser</span>` : undefined}</h3>
<p>Signed in ${time(started_at * 1000)}, last seen ${time(last_seen_at * 1000)}</p>
</div>
${is_current ? undefined : html`<form method="post" action="/sessions/end"><button class="button" name="id" value="${id}" aria-label="End the session of ${name}">End</button></form>`}
</li>
`;
};

/** What a browser says of itself is a guess, and may be nothing. */
function describeDevice({ device: { browser, os } }: SessionInfo): string {
  if (browser === undefined) return "A browser that does not say what it is";
  return os === undefined ? browser : `${browser} on ${os}`;
}
