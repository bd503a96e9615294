import type { Claims } from "express-portal-auth";
import { html } from "./html.js";
import { page } from "./layout.js";

export const notFoundPage = ({ person }: { person: Claims | undefined }): string =>
  page({
    title: "Not found – Doorway",
    user: person,
    content: html`<section class="hero">
<div>
<p class="eyebrow">404</p>
<h1>There is no door here.</h1>
<p class="lead">The address may be mistyped, or the page has moved.</p>
<p class="actions"><a class="button primary" href="/">Back to the start</a></p>
</div>
</section>`,
  });
