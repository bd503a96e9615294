/** A piece of HTML. Only `html` creates it, and escapes all other values. */
export class Html {
  readonly #text: string;

  /** @internal Use `html`. */
  constructor(text: string) {
    this.#text = text;
  }

  toString(): string {
    return this.#text;
  }
}

type Value = Html | readonly Html[] | string | number | undefined;

/**
 * Inserts values into a template: pieces of HTML unchanged, other values escaped, undefined as an empty text.
 */
export function html(template: TemplateStringsArray, ...values: Value[]): Html {
  return new Html(template.reduce((text, next, index) => text + render(values[index - 1]) + next));
}

function render(value: Value): string {
  if (value === undefined) return "";
  if (value instanceof Html) return value.toString();
  if (typeof value === "object") return value.join("");
  return String(value).replace(/[&<>"']/g, (character) => ENTITIES[character] ?? "");
}

const ENTITIES: Record<string, string> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};
