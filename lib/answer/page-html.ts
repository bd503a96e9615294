import type { Action, Page } from "../contract/page-parts.js";
import { escapeHtml, renderHtmlDocument } from "../util/html.js";

/** Renders our own HTML of a page. */
export function renderPage({ lang, title, text, actions, footnote }: Page): string {
  const content = `<h1>${escapeHtml(title)}</h1>
${text ? `<p>${escapeHtml(text)}</p>\n` : ""}<div class="actions">${actions.map(renderAction).join("")}</div>
${footnote ? `<footer>${escapeHtml(footnote)}</footer>` : ""}`;
  return renderHtmlDocument({ lang, title, style: PAGE_STYLE, content });
}

function renderAction(action: Action): string {
  const label = escapeHtml(action.label);
  if ("href" in action) return `<a class="button" href="${escapeHtml(action.href)}">${label}</a>`;
  const fields = action.fields.map(
    ([name, value]) => `<input type="hidden" name="${escapeHtml(name)}" value="${escapeHtml(value)}">`,
  );
  const button = `<button class="button">${label}</button>`;
  return `<form method="post" action="${escapeHtml(action.post)}">${fields.join("")}${button}</form>`;
}

/** The inline style of our pages. The Content-Security-Policy contains its hash. */
export const PAGE_STYLE = `
:root{color-scheme:light dark;--ink:#1d2433;--soft:#5b6475;--paper:#f4f5f8;--card:#fff;--line:#e2e5ec;--accent:#2450d8;--on-accent:#fff}
@media (prefers-color-scheme:dark){:root{--ink:#e9ecf3;--soft:#9aa4b8;--paper:#10131a;--card:#191e29;--line:#2a3140;--accent:#8fa8ff;--on-accent:#0d1222}}
*{box-sizing:border-box}
body{margin:0;min-height:100vh;min-height:100dvh;display:grid;place-items:center;padding:1.25rem;background:var(--paper);color:var(--ink);font:1rem/1.6 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans","PingFang SC","Microsoft YaHei",sans-serif}
main{width:100%;max-width:28rem;padding:2rem;background:var(--card);border:1px solid var(--line);border-radius:1rem;box-shadow:0 1px 2px #0000000a,0 12px 32px -16px #0000002e}
h1{margin:0 0 .5rem;font-size:1.375rem;line-height:1.3;letter-spacing:-.01em}
p{margin:0;color:var(--soft)}
.actions{display:flex;flex-wrap:wrap;gap:.75rem;margin-top:1.5rem}
.actions form{display:contents}
.button{display:inline-block;padding:.625rem 1.125rem;border:1px solid var(--line);border-radius:.625rem;background:none;color:var(--ink);font:inherit;font-weight:600;text-decoration:none;cursor:pointer}
.actions>:first-child.button,.actions>form:first-child .button{background:var(--accent);border-color:var(--accent);color:var(--on-accent)}
@media (max-width:30rem){.actions .button{flex:1 1 100%;text-align:center}}
.button:focus-visible{outline:3px solid var(--accent);outline-offset:2px}
footer{margin-top:1.75rem;padding-top:1rem;border-top:1px solid var(--line);font-size:.8125rem;color:var(--soft);overflow-wrap:anywhere}
`;
