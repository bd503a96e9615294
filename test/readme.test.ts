import { readdir, readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { DEFAULTS, OptionsSchema, SECRETS, VARIABLES } from "../lib/settings/option-table.js";
import { findAnchors, PAGES, readDocument } from "./readme/documents.js";

const CONFIGURATION = "example-app/guide/configuration.md";
const configuration = await readDocument(CONFIGURATION);

/** Returns the cells of the table that begins with this header, by row. */
function table(header: string): string[][] {
  const lines = configuration.slice(configuration.indexOf(header)).split("\n").slice(2);
  const end = lines.findIndex((line) => !line.startsWith("|"));
  return lines.slice(0, end).map((line) =>
    line
      .split("|")
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}

/** The rows, with the name of the option and the anchor of its section. */
const options = table("| option | environment | default |").map(([link = "", ...cells]) => {
  const [, name = "", anchor = ""] = /^\[(\w+)\]\(#([\w-]+)\)$/.exec(link) ?? [];
  return { name, anchor, cells };
});

test("the table of options names every option and nothing else", () => {
  expect(options.map(({ name }) => name)).toEqual(expect.arrayContaining(Object.keys(OptionsSchema.entries)));
  expect(options).toHaveLength(Object.keys(OptionsSchema.entries).length);
});

test("each option has a section", async () => {
  const anchors = await findAnchors(CONFIGURATION);
  expect(options.filter(({ anchor }) => !anchors.has(anchor))).toEqual([]);
  for (const { name, anchor } of options.filter(({ anchor }) => anchor !== "endpoint-urls"))
    expect(anchor).toBe(name.toLowerCase());
});

test("each option is in a row with its variable", () => {
  for (const { name, cells } of options) {
    const [variable = ""] = (cells[0] ?? "").split(" ");
    expect([name, variable]).toEqual([name, (VARIABLES as Record<string, string>)[name] ?? ""]);
  }
});

test("the defaults are those of the code", () => {
  for (const { name, cells } of options) {
    const value = (DEFAULTS as Record<string, unknown>)[name];
    if (typeof value === "string" || typeof value === "number" || typeof value === "boolean")
      expect(cells[1], name).toContain(`\`${value}\``);
  }
  for (const [route, path] of Object.entries(DEFAULTS.routes))
    expect(configuration).toContain(`  ${route}: '${path}',`);
});

/** Variables that look like ours, but that the example app, tests or Kubernetes set. */
const OTHERS = /^(DEMO_|TEST_)|_SERVICE_HOST$|_PORT$/;

test("the README and the guide name only variables that the code reads", async () => {
  const known = new Set([...Object.values(VARIABLES), ...SECRETS.map((name) => `${name}_FILE`)]);
  for (const page of PAGES) {
    const named =
      (await readDocument(page)).match(/\b(?:DEMO_|TEST_)?(?:PORTAL|SESSION|TOKEN)_[A-Z_]*[A-Z]\b/g) ?? [];
    expect(
      named.filter((name) => !known.has(name) && !OTHERS.test(name)),
      page,
    ).toEqual([]);
  }
  for (const name of known) expect(configuration).toContain(name);
});

/** The rooms of lib/ that have their own README. */
const ROOMS = ["provider", "refresh", "session", "store"];

test.each(ROOMS)("the README of lib/%s names each file of the room", async (room) => {
  const folder = new URL(`../lib/${room}/`, import.meta.url);
  const text = await readFile(new URL("README.md", folder), "utf8");
  const files = (await readdir(folder)).filter((name) => name.endsWith(".ts"));
  expect(files.filter((name) => !text.includes(name))).toEqual([]);
});
