import type { Claims } from "express-portal-auth";
import { type Html, html } from "./html.js";

export interface Page {
  readonly title: string;
  readonly content: Html;
  /** Who is signed in; undefined: nobody. */
  readonly user: Claims | undefined;
  /** The page's own address, to mark it in the navigation. */
  readonly path?: string;
  /** A file of public/ that the page runs. */
  readonly script?: string;
}

/** What all pages share. */
export function page({ title, content, user, path, script }: Page): string {
  const link = (to: string, label: string) =>
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
<nav aria-label="Main">${link("/account", "Account")}${
    user ? html`<a href="/logout">Sign out</a>` : html`<a href="/login?returnTo=/account">Sign in</a>`
  }</nav>
</header>
<main id="content">
${content}
</main>
<footer class="bottom">
<p>The example app of <b>express-portal-auth</b>. Its wiring is in <code>example-app/app.ts</code>.</p>
</footer>
</body>
</html>
`.toString();
}
