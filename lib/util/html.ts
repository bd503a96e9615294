const ENTITIES: Record<string, string> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/** Escapes a text for HTML, as content of an element or as a quoted attribute value. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ENTITIES[character] ?? "");
}

/** The parts of a document. `content` and `style` are inserted unescaped. The other parts are escaped. */
export interface HtmlDocument {
  readonly lang: string;
  readonly title: string;
  readonly style: string;
  readonly content: string;
}

/** Renders a page that loads nothing: no script, no font, no image. Its only style is inline. */
export const renderHtmlDocument = ({ lang, title, style, content }: HtmlDocument): string => `<!doctype html>
<html lang="${escapeHtml(lang)}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<meta name="color-scheme" content="light dark">
<title>${escapeHtml(title)}</title>
<style>${style}</style>
</head>
<body>
<main>
${content}
</main>
</body>
</html>
`;
