import { createHash } from "node:crypto";
import type { ServerResponse } from "node:http";
import { escapeHtml, renderHtmlDocument } from "../../util/html.js";
import type { DemoUser } from "./demo-users.js";
import { PAGE_STYLE } from "./page-style.js";

const STYLE_HASH = createHash("sha256").update(PAGE_STYLE).digest("base64");

const page = (title: string, content: string): string =>
  renderHtmlDocument({ lang: "en", title, style: PAGE_STYLE, content });

const renderUserButton = ({ sub, name, email = "" }: DemoUser): string =>
  `<button name="sub" value="${escapeHtml(sub)}">` +
  `<span class="face" aria-hidden="true">${escapeHtml([...name][0] ?? "")}</span>` +
  `<span class="name">${escapeHtml(name)}</span><span class="email">${escapeHtml(email)}</span></button>`;

export interface LoginPageContent {
  readonly clientId: string;
  readonly authSourceId?: string | undefined;
  readonly users: Iterable<DemoUser>;
}

/**
 * Renders the login page. Its form has no action, so it is posted to the URL of the page, which names the
 * login attempt.
 */
export function renderLoginPage({ clientId, authSourceId, users }: LoginPageContent): string {
  const source =
    authSourceId === undefined ? "" : `\n<p>Login source: <b>${escapeHtml(authSourceId)}</b></p>`;
  return page(
    "Sign in – test provider",
    `<h1>Choose a user</h1>
<p><b>${escapeHtml(clientId)}</b> asks you to sign in.</p>${source}
<p class="note">This is a test provider, which runs on this computer only. Its users need no passwords.</p>
<form method="post">
${Array.from(users, renderUserButton).join("\n")}
<button class="deny" name="deny" value="yes">Deny</button>
</form>`,
  );
}

/** Renders the page of an error that the provider cannot report to the application. */
export const renderErrorPage = (error: string, description = ""): string =>
  page(
    "Error – test provider",
    `<h1>The request is invalid</h1>
<p>The application has sent a request that this test provider cannot accept.</p>
<p><b>${escapeHtml(error)}</b><br>${escapeHtml(description)}</p>`,
  );

/** Renders the page after a logout without a redirect. */
export const renderLoggedOutPage = (): string =>
  page(
    "Signed out – test provider",
    "<h1>You are signed out</h1>\n<p>At your next login, the test provider will ask for a user again.</p>",
  );

/**
 * Renders a page that loads a frame of each application (OpenID Connect Front-Channel Logout 1.0, section 2).
 */
function renderFramesPage(frames: readonly string[], target: string | undefined): string {
  const iframes = frames.map((url) => `<iframe src="${escapeHtml(url)}" title="Logout" hidden></iframe>`);
  const link = target === undefined ? "" : `\n<p><a href="${escapeHtml(target)}">Continue</a></p>`;
  return page("Signed out – test provider", `<h1>You are signed out</h1>${link}\n${iframes.join("\n")}`);
}

/** The frames load for this long. Then the browser goes to the target. */
const FRAMES_SECONDS = 1;

/** Sends the page with the frames. If there is a target, the page leads to it. */
export function sendFrames(res: ServerResponse, frames: readonly string[], target: string | undefined): void {
  const headers = pageHeaders();
  const sources = [...new Set(frames.map((url) => new URL(url).origin))].join(" ");
  const policy = `${headers["Content-Security-Policy"]}; frame-src ${sources}`;
  const refresh = target === undefined ? {} : { Refresh: `${FRAMES_SECONDS}; url=${target}` };
  res
    .writeHead(200, { ...headers, "Content-Security-Policy": policy, ...refresh })
    .end(renderFramesPage(frames, target));
}

/**
 * Returns the headers of a page.
 *
 * @param formTargets the origins to which a form on the page may lead. Browsers apply `form-action` to the
 *   redirects after a form too, so the origin of the application must be one of them
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

/** Sends a page. For `formTargets`, see pageHeaders(). */
export function sendPage(
  res: ServerResponse,
  status: number,
  html: string,
  formTargets?: readonly string[],
): void {
  res.writeHead(status, pageHeaders(formTargets)).end(html);
}
