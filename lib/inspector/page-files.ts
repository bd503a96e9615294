import { readFileSync } from "node:fs";

/** lib/ is shipped beside dist/, so this is right for this source and for what is built from it. */
const LIB = new URL("../../lib/", import.meta.url);

const CONTENT_TYPES: Record<string, string> = {
  html: "text/html; charset=utf-8",
  css: "text/css; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  svg: "image/svg+xml",
};

const PAGE_FILE_NAMES = [
  "index.html",
  "style.css",
  "icon.svg",
  "inspector.js",
  "configuration.js",
  "dom.js",
  "failures.js",
  "logins.js",
  "people.js",
  "refreshes.js",
  "times.js",
  "words.js",
];

export interface PageFile {
  /** Below the inspector's own address; "" for the page itself. */
  readonly path: string;
  readonly type: string;
  readonly text: string;
}

export const readPageFiles = (): PageFile[] =>
  PAGE_FILE_NAMES.map((name) => ({
    path: name === "index.html" ? "" : name,
    type: CONTENT_TYPES[name.slice(name.lastIndexOf(".") + 1)] ?? "text/plain",
    text: readFileSync(new URL(`inspector/page/${name}`, LIB), "utf8"),
  }));
