import type { Claims, SessionInfo } from "express-portal-auth";
import { type Html, html } from "./html.js";
import { renderPage } from "./layout.js";
import { renderTime } from "./time.js";

export interface Sessions {
  readonly user: Claims;
  /** The most recently used session comes first. */
  readonly sessions: readonly SessionInfo[];
}

export function renderSessionsPage({ user, sessions }: Sessions): string {
  const content = html`<section class="who">
<div>
<h1>Your sessions</h1>
<p>Each line is a browser where you are signed in to this app.
If you end a session, that browser is signed out at once.</p>
</div>
</section>

<section aria-labelledby="sessions">
<h2 id="sessions" class="visually-hidden">Your sessions</h2>
<ul class="sessions">
${sessions.map(renderSession)}
</ul>
<form method="post" action="/sessions/end-all" class="actions">
<button class="button primary">Sign out on all devices</button>
</form>
</section>`;
  return renderPage({
    title: "Your sessions – Doorway",
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
<p>Signed in ${renderTime(started_at * 1000)}, last seen ${renderTime(last_seen_at * 1000)}</p>
</div>
${is_current ? undefined : renderEndForm(id, name)}
</li>
`;
};

const renderEndForm = (id: string, name: string): Html => html`<form method="post" action="/sessions/end">
<button class="button" name="id" value="${id}" aria-label="End the session of ${name}">End</button>
</form>`;

/** The names come from the User-Agent header, which can be wrong or missing. */
function describeDevice({ device: { browser, os } }: SessionInfo): string {
  if (browser === undefined) return "Unknown browser";
  return os === undefined ? browser : `${browser} on ${os}`;
}
