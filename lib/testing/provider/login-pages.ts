import { createHash } from "node:crypto";
import type { ServerResponse } from "node:http";
import { escapeHtml, renderHtmlDocument } from "../../util/html.js";
import type { DemoUser } from "./demo-users.js";
import { PAGE_STYLE } from "./page-style.js";

const STYLE_HASH = createHash("sha256").update(PAGE_STYLE).digest("base64");

const page = (title: string, content: string): string =>
  renderHtmlDocument({ lang: "en", title, style: PAGE_STYLE, content });

const renderUserButton = ({ sub, name, email = "" }: DemoUser): string =>
  `<button name="sub" value="${escapeHtml(sub)}"><span class="face" aria-hidden="true">${escapeHtml([...name][0] ?? "")}</span>` +
  `<span class="name">${escapeHtml(name)}</span><span class="email">${escapeHtml(email)}</span></button>`;

export interface LoginPageContent {
  readonly clientId: string;
  readonly authSourceId?: string | undefined;
  readonly users: Iterable<DemoUser>;
}

/** The form has no action: it goes back to the address of the page, which says whose login this is. */
export function renderLoginPage({ clientId, authSourceId, users }: LoginPageContent): string {
  const source =
    authSourceId === undefined ? "" : `\n<p>Login source: <b>${escapeHtml(authSourceId)}</b></p>`;
  return page(
    "Log in – demo portal",
    `<h1>Who are you today?</h1>
<p><b>${escapeHtml(clientId)}</b> wants to know who you are.</p>${source}
<p class="note">This is a demo portal. It runs on this computer only, its people are made up, and it never asks for a password.</p>
<form method="post">
${Array.from(users, renderUserButton).join("\n")}
<button class="deny" name="deny" value="yes">Deny</button>
</form>`,
  );
}

export const renderErrorPage = (error: string, description = ""): string =>
  page(
    "Not possible – demo portal",
    `<h1>That did not work</h1>
<p>The application sent you here with something that this demo portal cannot accept.</p>
<p><b>${escapeHtml(error)}</b><br>${escapeHtml(description)}</p>`,
  );

export const renderLoggedOutPage = (): string =>
  page(
    "Logged out – demo portal",
    "<h1>You are logged out</h1>\n<p>The demo portal will ask again next time.</p>",
  );

/** While it is shown the applications' frames are loaded, and then it goes on (OpenID Connect Front-Channel Logout 1.0, section 2). */
function renderFramesPage(frames: readonly string[], target: string | undefined): string {
  const framed = frames.map(
    (address) => `<iframe src="${escapeHtml(address)}" title="Logout" hidden></iframe>`,
  );
  const link = target === undefined ? "" : `\n<p><a href="${escapeHtml(target)}">Go on</a></p>`;
  return page("Logged out – demo portal", `<h1>You are logged out</h1>${link}\n${framed.join("\n")}`);
}

/** Frames are shown for so long before the browser goes on. */
const FRAMES_SECONDS = 1;

export function sendFrames(res: ServerResponse, frames: readonly string[], target: string | undefined): void {
  const headers = pageHeaders();
  const sources = [...new Set(frames.map((address) => new URL(address).origin))].join(" ");
  const policy = `${headers["Content-Security-Policy"]}; frame-src ${sources}`;
  const refresh = target === undefined ? {} : { Refresh: `${FRAMES_SECONDS}; url=${target}` };
  res
    .writeHead(200, { ...headers, "Content-Security-Policy": policy, ...refresh })
    .end(renderFramesPage(frames, target));
}

/**
 * The headers of a page. `formTargets`: where a form on it may lead in the end. Browsers hold `form-action` against the
 * redirects that follow a form too, so the application's own address has to be among them.
 */
export const pageHeaders = (formTargets: readonly string[] = []): Record<string, string> => ({
  "Content-Type": "text/html; charset=utf-8",
  "Content-Security-Policy": [
    "default-src 'none'",
    `style-src 'sha256-${STYLE_HASH}'`,
    `form-action ${["'self'", ...formTargets].join(" ")}`,
    "frame-ancestors 'none'",
    "base-uri 'none'",
  ].join("; "),
  "Cache-Control": "no-store",
  "Referrer-Policy": "no-referrer",
  "X-Content-Type-Options": "nosniff",
});

export function sendPage(
  res: ServerResponse,
  status: number,
  html: string,
  formTargets?: readonly string[],
): void {
  res.writeHead(status, pageHeaders(formTargets)).end(html);
}
