import type { Claims } from "express-portal-auth";
import { html } from "./html.js";
import { renderPage } from "./layout.js";

export const renderNotFoundPage = ({ user }: { user: Claims | undefined }): string =>
  renderPage({
    title: "Not found – Doorway",
    user,
    content: html`<section class="hero">
<div>
<p class="eyebrow">404</p>
<h1>This page does not exist.</h1>
<p class="lead">The URL may be wrong, or the page has moved.</p>
<p class="actions"><a class="button primary" href="/">Back to the home page</a></p>
</div>
</section>`,
  });
