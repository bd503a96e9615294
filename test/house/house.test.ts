import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { ROOT } from "../package/packed.js";
import { type Import, parse, readHouse, roomOf, type Source } from "./sources-of-lib.js";

// Each rule is applied to lib/, and then to lib/ with one line that breaks it. This shows that the rule can
// fail.

/**
 * The rooms of lib/ that each room may import, values and types, from the lowest layer to the highest.
 * lib/README.md describes the rooms. `wiring` is the files directly in lib/, except request-portal.ts, which
 * guards import.
 */
const MAY_IMPORT: Readonly<Record<string, string>> = {
  errors: "",
  contract: "errors",
  events: "contract",
  hooks: "errors contract",
  http: "errors contract",
  util: "contract",
  answer: "errors contract events hooks util",
  opentelemetry: "errors contract events",
  store: "errors contract util",
  session: "errors contract http util store",
  testing: "contract http util store",
  refresh: "errors contract events util session",
  settings: "errors contract http util store session",
  provider: "errors contract http util settings",
  doctor: "errors http util store settings provider",
  "login-attempt": "errors http util answer provider",
  cli: "errors util settings doctor",
  context: "errors http util answer refresh settings provider login-attempt",
  access: "errors contract hooks util answer session refresh provider context",
  login: "errors contract hooks http util answer session settings provider login-attempt context",
  status: "contract answer session context",
  callback:
    "errors contract events hooks http util answer store session provider login-attempt context login",
  form: "errors contract http util answer store session login-attempt context login",
  logout: "errors contract hooks http util answer store session settings provider context login",
  "request-portal.ts": "contract answer session refresh context access login logout",
  guard:
    "errors contract http util answer session settings login-attempt context access login form " +
    "request-portal.ts",
  inspector: "errors contract events http util answer settings context request-portal.ts",
  proxy: "errors http util answer session context access request-portal.ts guard",
  wiring:
    "errors contract events http util answer store session refresh settings provider doctor " +
    "login-attempt context access login status callback form logout request-portal.ts guard proxy",
};

const ROOMS = Object.keys(MAY_IMPORT);

const getImports = (room: string): string[] => (MAY_IMPORT[room] ?? "").split(" ").filter(Boolean);

let texts: Record<string, string>;
let house: Source[];
let manifest: Record<"dependencies" | "peerDependencies", Record<string, string>>;
beforeAll(async () => {
  texts = await readHouse(join(ROOT, "lib"));
  house = Object.entries(texts).map(([path, text]) => parse(path, text));
  manifest = JSON.parse(await readFile(join(ROOT, "package.json"), "utf8"));
});

/** Returns one line for each place that breaks the rule. */
type Rule = (sources: Source[]) => string[];

/** Applies a rule to lib/. With a path and a line, that source gets the line first; the source may be new. */
function findProblems(rule: Rule, path?: string, line = ""): string[] {
  if (path === undefined) return rule(house);
  const changed = parse(path, `${texts[path] ?? ""}\n${line}\n`);
  return rule([...house.filter((source) => source.path !== path), changed]);
}

/** Creates a rule that reports the imports for which `isForbidden` returns true. */
const forbidImports =
  (isForbidden: (source: Source, imported: Import) => boolean): Rule =>
  (sources) =>
    sources.flatMap((source) =>
      source.imports
        .filter((imported) => isForbidden(source, imported))
        .map(({ of, atRuntime }) => `${source.path} imports ${atRuntime ? "" : "types of "}${of}`),
    );

/** Creates a rule that reports the sources outside of `rooms` that use something. */
const allowOnlyIn =
  (rooms: readonly string[], use: string): Rule =>
  (sources) =>
    sources
      .filter(({ path, touches }) => touches.has(use) && !rooms.includes(roomOf(path)))
      .map(({ path }) => `${path} touches ${use}`);

/** Returns the path of a source in a room. It is a new one if the room is a folder. */
const getSampleSource = (room: string): string => {
  if (room === "wiring") return "new-file.ts";
  return room.endsWith(".ts") ? room : `${room}/new-file.ts`;
};

/** Returns a line for a source of the room `from` that imports a type of the room `to`. */
function writeImport(from: string, to: string): string {
  const up = getSampleSource(from).includes("/") ? ".." : ".";
  return `import type { X } from "${up}/${getSampleSource(to).replace(/\.ts$/, ".js")}";`;
}

const isSource = (of: string): boolean => of.endsWith(".ts");

test("every import of lib/ leads to a source", () => {
  const missing = forbidImports((_source, { of }) => isSource(of) && !(of in texts));
  expect(house.length).toBeGreaterThan(30);
  expect(findProblems(missing)).toEqual([]);
  expect(findProblems(missing, "index.ts", 'import "./nowhere.js";')).toEqual([
    "index.ts imports nowhere.ts",
  ]);
});

test("no import of lib/ is part of a circle, neither of values nor of types", () => {
  const tokens = "contract/tokens.ts";
  expect(findProblems(findCircles)).toEqual([]);
  expect(findProblems(findCircles, tokens, 'import type { Hooks } from "./hooks.js";')).toContain(
    "contract/hooks.ts -> contract/tokens.ts -> contract/hooks.ts",
  );
  expect(findProblems(findCircles, tokens, 'export type C = import("./tokens.js").Claims;')).toEqual([
    "contract/tokens.ts -> contract/tokens.ts",
  ]);
});

function findCircles(sources: Source[]): string[] {
  const imports = new Map(sources.map(({ path, imports }) => [path, new Set(imports.map(({ of }) => of))]));
  const done = new Set<string>();
  const circles = new Set<string>();
  const follow = (path: string, trail: readonly string[]): void => {
    const start = trail.indexOf(path);
    if (start >= 0) {
      circles.add([...trail.slice(start), path].join(" -> "));
      return;
    }
    if (done.has(path)) return;
    for (const next of imports.get(path) ?? []) follow(next, [...trail, path]);
    done.add(path);
  };
  for (const path of imports.keys()) follow(path, []);
  return [...circles];
}

const undeclaredImports = forbidImports(({ path }, { of }) => {
  const from = roomOf(path);
  const to = roomOf(of);
  return isSource(of) && from !== to && !getImports(from).includes(to);
});

test("rooms import only the rooms that MAY_IMPORT declares", () => {
  expect(findProblems(undeclaredImports)).toEqual([]);
});

test.each(ROOMS)("an undeclared import by a source of %s is reported", (room) => {
  const undeclared = ROOMS.filter((other) => other !== room && !getImports(room).includes(other));
  for (const other of undeclared)
    expect(findProblems(undeclaredImports, getSampleSource(room), writeImport(room, other)), other).toEqual([
      `${getSampleSource(room)} imports types of ${getSampleSource(other)}`,
    ]);
});

test("MAY_IMPORT lists rooms after all rooms that they import", () => {
  for (const [index, room] of ROOMS.entries())
    expect(ROOMS.slice(0, index), room).toEqual(expect.arrayContaining(getImports(room)));
});

test("every room has an entry in MAY_IMPORT", () => {
  const withoutEntry: Rule = (sources) =>
    [...new Set(sources.map(({ path }) => roomOf(path)))].filter((room) => !(room in MAY_IMPORT));
  expect(findProblems(withoutEntry)).toEqual([]);
  expect(findProblems(withoutEntry, "attic/new-file.ts")).toEqual(["attic"]);
});

test("MAY_IMPORT declares no import that no source needs", () => {
  const unneeded: Rule = (sources) => {
    const needed = sources.flatMap(({ path, imports }) =>
      imports.map(({ of }) => `${roomOf(path)} -> ${roomOf(of)}`),
    );
    const declared = ROOMS.flatMap((room) => getImports(room).map((other) => `${room} -> ${other}`));
    return declared.filter((arrow) => !needed.includes(arrow));
  };
  expect(findProblems(unneeded)).toEqual([]);
  expect(unneeded([])).toContain("session -> store");
});

test("the table in lib/README.md lists the rooms and their imports", async () => {
  const readme = await readFile(join(ROOT, "lib/README.md"), "utf8");
  const rows = [...readme.matchAll(/^\| `([\w.-]+?)\/?` \|.*\| `?(.*?)`? \|$/gm)];
  expect(Object.fromEntries(rows.map(([, room, imports]) => [room, imports]))).toEqual(
    Object.fromEntries(ROOMS.map((room) => [room, MAY_IMPORT[room] || "nothing"])),
  );
});

test("index.ts only exports", () => {
  const onlyExports: Rule = (sources) =>
    sources.filter(({ path, onlyExports }) => path === "index.ts" && !onlyExports).map(({ path }) => path);
  expect(findProblems(onlyExports)).toEqual([]);
  expect(findProblems(onlyExports, "index.ts", "export const more = 1;")).toEqual(["index.ts"]);
});

test("only provider/ imports openid-client", () => {
  const rule = forbidImports(({ path }, { of }) => of === "openid-client" && roomOf(path) !== "provider");
  expect(findProblems(rule)).toEqual([]);
  expect(findProblems(rule, "provider/new-file.ts", 'import * as oidc from "openid-client";')).toEqual([]);
  for (const line of [
    'import * as oidc from "openid-client";',
    'import type { Configuration } from "openid-client/passport";',
    'export type C = import("openid-client").Configuration;',
    'await import("openid-client");',
  ])
    expect(findProblems(rule, "callback/callback.ts", line)).toHaveLength(1);
});

test.each([
  ["oidc-provider", "testing"],
  ["@opentelemetry/api", "opentelemetry"],
])("%s is imported only in %s/, because it is optional in production", (name, room) => {
  const rule = forbidImports(({ path }, { of }) => of === name && roomOf(path) !== room);
  expect(findProblems(rule)).toEqual([]);
  expect(findProblems(rule, "provider/new-file.ts", `import type { X } from "${name}";`)).toHaveLength(1);
});

test("only store/ and session/ import express-session at run time", () => {
  const rule = forbidImports(
    ({ path }, { of, atRuntime }) =>
      of === "express-session" && atRuntime && !["store", "session"].includes(roomOf(path)),
  );
  expect(findProblems(rule)).toEqual([]);
  expect(findProblems(rule, "login/login.ts", 'import type { Store } from "express-session";')).toEqual([]);
  for (const line of [
    'import session from "express-session";',
    'import { type Store } from "express-session";',
  ])
    expect(findProblems(rule, "login/login.ts", line)).toEqual(["login/login.ts imports express-session"]);
});

test("only store/ and session/ touch req.session", () => {
  const rule = allowOnlyIn(["store", "session"], "req.session");
  const comment = "// req.session\nexport const hint = 'There is no req.session';";
  expect(findProblems(rule)).toEqual([]);
  expect(findProblems(rule, "errors/new-file.ts", comment)).toEqual([]);
  for (const line of [
    "export const a = (req: Request) => req.session;",
    "export const a = (req: Request) => req?.sessionID;",
    "export const a = (request: RequestContext) => request.req.session.portal;",
    "export const a = (req: unknown) => (req as Request)!['sessionStore'];",
    "export const a = (req: Request) => { const { session: mine } = req; return mine; };",
    "export const a = ({ session }: Request) => session;",
  ])
    expect(findProblems(rule, "guard/new-file.ts", line), line).toEqual([
      "guard/new-file.ts touches req.session",
    ]);
});

test("only settings/ reads process.env", () => {
  const rule = allowOnlyIn(["settings"], "process.env");
  expect(findProblems(rule)).toEqual([]);
  for (const line of [
    "export const a = process.env['PORTAL_ISSUER'];",
    "export const a = globalThis.process?.env;",
    "export const { env } = process;",
    'import { env } from "node:process";',
  ])
    expect(findProblems(rule, "provider/new-file.ts", line), line).toEqual([
      "provider/new-file.ts touches process.env",
    ]);
});

test("lib/ imports exactly the packages in package.json", () => {
  const listed = Object.keys({ ...manifest.dependencies, ...manifest.peerDependencies });
  const isPackage = ({ of }: Import) => !isSource(of) && !of.startsWith("node:");
  const unlisted = forbidImports((_source, imported) => isPackage(imported) && !listed.includes(imported.of));
  expect(findProblems(unlisted)).toEqual([]);
  expect(findProblems(unlisted, "index.ts", 'import "koa";')).toEqual(["index.ts imports koa"]);
  const loads = "export const open = (load: Load) => load('ioredis') as unknown;";
  expect(findProblems(unlisted, "store/new-file.ts", loads)).toEqual(["store/new-file.ts imports ioredis"]);

  const imported = house.flatMap(({ imports }) => imports.filter(isPackage).map(({ of }) => of));
  const types = imported.map((name) => `@types/${name}`);
  expect(listed.filter((name) => !imported.includes(name) && !types.includes(name))).toEqual([]);
});
