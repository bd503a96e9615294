import { readFileSync } from "node:fs";

/** The package contains lib/ beside dist/, so this URL is right for the source and for the build. */
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
  "descriptions.js",
  "dom.js",
  "failures.js",
  "logins.js",
  "refreshes.js",
  "times.js",
  "users.js",
];

/** A file that the browser loads for the page. */
export interface PageFile {
  /** Relative to the URL of the page; "" for the page itself. */
  readonly path: string;
  readonly type: string;
  readonly text: string;
}

/** Reads all files of the page. */
export const readPageFiles = (): PageFile[] =>
  PAGE_FILE_NAMES.map((name) => ({
    path: name === "index.html" ? "" : name,
    type: CONTENT_TYPES[name.slice(name.lastIndexOf(".") + 1)] ?? "text/plain",
    text: readFileSync(new URL(`inspector/page/${name}`, LIB), "utf8"),
  }));
