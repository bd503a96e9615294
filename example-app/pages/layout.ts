import type { Claims } from "express-portal-auth";
import { type Html, html } from "./html.js";

export interface Page {
  readonly title: string;
  readonly content: Html;
  /** The claims of the signed-in user, if there is one. */
  readonly user: Claims | undefined;
  /** The path of the page, to mark it in the navigation. */
  readonly path?: string;
  /** The script of the page, a file of public/. */
  readonly script?: string;
}

/** Renders a page with the parts that all pages share: head, navigation and footer. */
export function renderPage({ title, content, user, path, script }: Page): string {
  const renderLink = (to: string, label: string) =>
    html`<a href="${to}"${to === path ? html` aria-current="page"` : undefined}>${label}</a>`;

  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title}</title>
<link rel="icon" href="/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/style.css">
${script === undefined ? undefined : html`<script src="${script}" type="module"></script>`}
</head>
<body>
<a class="skip" href="#content">Skip to the content</a>
<header class="top">
<a class="brand" href="/"><img src="/icon.svg" alt="" width="28" height="28">Doorway</a>
<nav aria-label="Main">${renderLink("/account", "Account")}${
    user ? html`<a href="/logout">Sign out</a>` : html`<a href="/login?returnTo=/account">Sign in</a>`
  }</nav>
</header>
<main id="content">
${content}
</main>
<footer class="bottom">
<p>The example app of <b>express-portal-auth</b>. Its code starts in <code>example-app/app.ts</code>.</p>
</footer>
</body>
</html>
`.toString();
}
