import { existsSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { DEFAULTS, OptionsSchema, SECRETS, VARIABLES } from "../lib/settings/option-table.js";

const readme = await readFile(new URL("../README.md", import.meta.url), "utf8");

/** The rows of the table that begins with this header, cell by cell. */
function table(header: string): string[][] {
  const lines = readme.slice(readme.indexOf(header)).split("\n").slice(2);
  const end = lines.findIndex((line) => !line.startsWith("|"));
  return lines.slice(0, end).map((line) =>
    line
      .split("|")
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}

const options = table("| option | environment | default |");

test("the table of options names every option, and no other", () => {
  expect(options.map(([option]) => option)).toEqual(
    expect.arrayContaining(Object.keys(OptionsSchema.entries)),
  );
  expect(options).toHaveLength(Object.keys(OptionsSchema.entries).length);
});

test("each option stands beside its variable", () => {
  for (const [option = "", environment = ""] of options)
    expect([option, environment.split(" ")[0]]).toEqual([
      option,
      (VARIABLES as Record<string, string>)[option] ?? "",
    ]);
});

test("the defaults are those of the code", () => {
  for (const [option = "", , told = ""] of options) {
    const value = (DEFAULTS as Record<string, unknown>)[option];
    if (typeof value === "string" || typeof value === "number") expect(told).toContain(`\`${value}\``);
    if (option === "routes")
      for (const path of Object.values(DEFAULTS.routes)) expect(told).toContain(`'${path}'`);
  }
});

test("no variable is named that is not read, and secrets are named with their files", () => {
  const named = new Set(readme.match(/\b(?:PORTAL|SESSION|TOKEN)_[A-Z_]*[A-Z]\b/g));
  const known = new Set([...Object.values(VARIABLES), ...SECRETS.map((name) => `${name}_FILE`)]);
  expect([...named].filter((name) => !known.has(name))).toEqual([]);
  for (const name of known) expect(named).toContain(name);
});

/** The rooms of lib/ that a README of their own explains. */
const ROOMS = ["refresh", "session", "store"];

test.each(ROOMS)("the README of lib/%s names each file of the room", async (room) => {
  const folder = new URL(`../lib/${room}/`, import.meta.url);
  const text = await readFile(new URL("README.md", folder), "utf8");
  const files = (await readdir(folder)).filter((name) => name.endsWith(".ts"));
  expect(files.filter((name) => !text.includes(name))).toEqual([]);
});

test.each([
  "README.md",
  ...ROOMS.map((room) => `lib/${room}/README.md`),
  "test/hostile/README.md",
  "test/mutation/README.md",
])("%s leads to files that are there", async (name) => {
  const place = new URL(`../${name}`, import.meta.url);
  const text = await readFile(place, "utf8");
  const links = [...text.matchAll(/\]\((?!https?:|#)([^)#]+)/g)].map(([, path = ""]) => path);
  expect(links.length).toBeGreaterThan(0);
  for (const path of links) expect(existsSync(new URL(path, place)), path).toBe(true);
});

test("a line of the README has at most 120 characters, unless it is code or a row of a table", () => {
  const prose = readme.replace(/^```.*?^```$/gms, "").split("\n");
  expect(prose.filter((line) => line.length > 120 && !line.startsWith("|"))).toEqual([]);
});
