import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { ROOT } from "../package/packed.js";
import { type Import, parse, readHouse, roomOf, type Source } from "./sources-of-lib.js";

// Each rule is held against lib/ and then against a lib/ with one line that breaks it: a rule that cannot fail says nothing.

let texts: Record<string, string>;
let house: Source[];
let manifest: Record<"dependencies" | "peerDependencies", Record<string, string>>;
beforeAll(async () => {
  texts = await readHouse(join(ROOT, "lib"));
  house = Object.entries(texts).map(([path, text]) => parse(path, text));
  manifest = JSON.parse(await readFile(join(ROOT, "package.json"), "utf8"));
});

/** A rule gives one line for each place that breaks it. */
type Rule = (sources: Source[]) => string[];

/** What breaks a rule: in lib/ as it is, or with one more line in one of its sources, which may be new. */
function broken(rule: Rule, path?: string, line = ""): string[] {
  if (path === undefined) return rule(house);
  const changed = parse(path, `${texts[path] ?? ""}\n${line}\n`);
  return rule([...house.filter((source) => source.path !== path), changed]);
}

/** A rule on single imports: those that may not be. */
const noImport =
  (isWrong: (source: Source, imported: Import) => boolean): Rule =>
  (sources) =>
    sources.flatMap((source) =>
      source.imports
        .filter((imported) => isWrong(source, imported))
        .map(({ of, atRuntime }) => `${source.path} imports ${atRuntime ? "" : "types of "}${of}`),
    );

const onlyIn =
  (owners: readonly string[], thing: string): Rule =>
  (sources) =>
    sources
      .filter(({ path, touches }) => touches.has(thing) && !owners.includes(roomOf(path)))
      .map(({ path }) => `${path} touches ${thing}`);

test("lib/ is read whole, and every import leads somewhere", () => {
  expect(house.length).toBeGreaterThan(30);
  expect(broken(inHouse)).toEqual([]);
  expect(broken(inHouse, "errors.ts", 'import "./nowhere.js";')).toEqual(["errors.ts imports nowhere.ts"]);
});

const inHouse = noImport((_source, { of }) => of.endsWith(".ts") && !(of in texts));

test("no import runs in a circle, neither of values nor of types", () => {
  expect(broken(circles)).toEqual([]);
  expect(broken(circles, "errors.ts", 'import "./portal-auth.js";')).not.toEqual([]);
  expect(broken(circles, "tokens.ts", 'import type { Hooks } from "./hooks.js";')).toEqual([
    "hooks.ts -> tokens.ts -> hooks.ts",
  ]);
  expect(broken(circles, "tokens.ts", 'export type C = import("./tokens.js").Claims;')).toEqual([
    "tokens.ts -> tokens.ts",
  ]);
});

function circles(sources: Source[]): string[] {
  const imports = new Map(sources.map(({ path, imports }) => [path, new Set(imports.map(({ of }) => of))]));
  const done = new Set<string>();
  const found = new Set<string>();
  const follow = (path: string, way: readonly string[]): void => {
    const before = way.indexOf(path);
    if (before >= 0) return void found.add([...way.slice(before), path].join(" -> "));
    if (done.has(path)) return;
    for (const next of imports.get(path) ?? []) follow(next, [...way, path]);
    done.add(path);
  };
  for (const path of imports.keys()) follow(path, []);
  return [...found];
}

/** How records and sessions are kept, what the session room makes of them, and how tokens are refreshed. */
const SESSIONS = ["store", "session", "refresh"];
const ROUTER = ["login", "callback", "guard", "logout", "form", "status", "proxy"];
const TOP = ["parts.ts", "request-portal.ts", "routes.ts", "portal-auth.ts", "index.ts"];

/** Whom a room must not know, not even by type: the arrows of design.md, which run downwards only. */
const MUST_NOT_KNOW: Record<string, readonly string[]> = {
  util: ["settings", "portal", ...SESSIONS, "answer", "access", ...ROUTER, ...TOP],
  store: ["settings", "portal", "session", "refresh", "answer", "access", ...ROUTER, ...TOP],
  session: ["settings", "portal", "refresh", "answer", "access", ...ROUTER, ...TOP],
  refresh: ["settings", "portal", "store", "answer", "access", ...ROUTER, ...TOP],
  portal: [...SESSIONS, "answer", "access", ...ROUTER, ...TOP],
  answer: ["portal", ...SESSIONS, "access", ...ROUTER, ...TOP],
  access: [...ROUTER, "request-portal.ts", "portal-auth.ts", "index.ts"],
  login: [
    "access",
    "callback",
    "guard",
    "logout",
    "form",
    "status",
    "proxy",
    "request-portal.ts",
    "portal-auth.ts",
    "index.ts",
  ],
  callback: [
    "access",
    "guard",
    "logout",
    "form",
    "status",
    "proxy",
    "request-portal.ts",
    "portal-auth.ts",
    "index.ts",
  ],
  logout: [
    "access",
    "callback",
    "guard",
    "form",
    "status",
    "proxy",
    "request-portal.ts",
    "portal-auth.ts",
    "index.ts",
  ],
  form: [
    "access",
    "callback",
    "guard",
    "logout",
    "status",
    "proxy",
    "request-portal.ts",
    "portal-auth.ts",
    "index.ts",
  ],
  status: [
    "access",
    "login",
    "callback",
    "guard",
    "logout",
    "form",
    "proxy",
    "request-portal.ts",
    "portal-auth.ts",
    "index.ts",
  ],
  guard: ["callback", "logout", "status", "proxy", "portal-auth.ts", "index.ts"],
  proxy: ["portal", "callback", "logout", "form", "status", "portal-auth.ts", "index.ts"],
  settings: ["portal", "refresh", "answer", "access", ...ROUTER, ...TOP],
  "hooks.ts": ["portal", ...SESSIONS, "answer", "access", "settings", ...ROUTER, ...TOP],
  doctor: ["answer", "access", "logout", "callback", "guard", "proxy", ...TOP],
  inspector: ["portal", "access", ...ROUTER, "portal-auth.ts", "index.ts"],
  opentelemetry: ["portal", ...SESSIONS, "answer", "access", "settings", ...ROUTER, ...TOP],
  testing: ["portal", "session", "refresh", "answer", "access", "settings", ...ROUTER, ...TOP],
  cli: ["answer", "access", "portal", ...SESSIONS, ...ROUTER, ...TOP],
  "errors-paper.ts": ["portal", ...SESSIONS, "answer", "access", "settings", ...ROUTER, ...TOP],
  "pages.ts": ["portal", ...SESSIONS, "answer", "access", "settings", ...ROUTER, ...TOP],
  "events.ts": ["portal", ...SESSIONS, "answer", "access", "settings", "hooks.ts", ...ROUTER, ...TOP],
  "errors.ts": ["portal", ...SESSIONS, "answer", "access", "settings", "hooks.ts", ...ROUTER, ...TOP],
};

/** What is given to the users' shells and suites: nobody else in lib/ needs it, but for the front door. */
const BESIDE = ["doctor", "cli", "testing", "opentelemetry", "inspector"];

/** What each of those may know of the others. */
const BESIDE_KNOWS: Record<string, readonly string[]> = { cli: ["doctor"], "index.ts": ["doctor"] };

const downwards = noImport(({ path }, { of }) => {
  const [from, to] = [roomOf(path), roomOf(of)];
  if (from !== to && BESIDE.includes(to)) return !BESIDE_KNOWS[from]?.includes(to);
  return MUST_NOT_KNOW[from]?.includes(to) ?? false;
});

test("imports run downwards, as the design draws them", () => {
  expect(broken(downwards)).toEqual([]);
});

test.each(BESIDE)("an import of %s by a room of the router would be seen", (room) => {
  for (const from of [...ROUTER, ...SESSIONS, "portal", "access", "answer"])
    expect(
      broken(downwards, `${from}/new-file.ts`, `import type { X } from "../${room}/x.js";`),
    ).toHaveLength(1);
});

test.each(Object.keys(MUST_NOT_KNOW))(
  "an import from %s upwards would be seen, though it be of a type",
  (room) => {
    const isFile = room.endsWith(".ts");
    for (const other of MUST_NOT_KNOW[room] ?? []) {
      const target = `${isFile ? "../package/" : "../"}${other.endsWith(".ts") ? other.replace(/\.ts$/, ".js") : `${other}/x.js`}`;
      const path = isFile ? room : `${room}/new-file.ts`;
      const seen = broken(downwards, path, `import type { X } from "${target}";`);
      expect(seen).toEqual([expect.stringContaining(`${path} imports types of ${other}`)]);
    }
  },
);

test("the front door only opens: index.ts does nothing but export", () => {
  const frontDoor: Rule = (sources) =>
    sources.filter(({ path, onlyExports }) => path === "index.ts" && !onlyExports).map(({ path }) => path);
  expect(broken(frontDoor)).toEqual([]);
  expect(broken(frontDoor, "index.ts", "export const more = 1;")).toEqual(["index.ts"]);
});

test("nobody but portal/ imports openid-client", () => {
  const rule = noImport(({ path }, { of }) => of === "openid-client" && roomOf(path) !== "portal");
  expect(broken(rule)).toEqual([]);
  expect(broken(rule, "portal/new-file.ts", 'import * as oidc from "openid-client";')).toEqual([]);
  for (const line of [
    'import * as oidc from "openid-client";',
    'import type { Configuration } from "openid-client/passport";',
    'export type C = import("openid-client").Configuration;',
    'await import("openid-client");',
  ])
    expect(broken(rule, "callback/callback.ts", line)).toHaveLength(1);
});

test.each([
  ["oidc-provider", "testing"],
  ["@opentelemetry/api", "opentelemetry"],
])("nobody imports %s but %s/, as production may do without it", (name, room) => {
  const rule = noImport(({ path }, { of }) => of === name && roomOf(path) !== room);
  expect(broken(rule)).toEqual([]);
  expect(broken(rule, "portal/new-file.ts", `import type { X } from "${name}";`)).toHaveLength(1);
});

test("only store/ and session/ import express-session at runtime", () => {
  const rule = noImport(
    ({ path }, { of, atRuntime }) =>
      of === "express-session" && atRuntime && !["store", "session"].includes(roomOf(path)),
  );
  expect(broken(rule)).toEqual([]);
  expect(broken(rule, "login/login.ts", 'import type { Store } from "express-session";')).toEqual([]);
  for (const line of [
    'import session from "express-session";',
    'import { type Store } from "express-session";',
  ])
    expect(broken(rule, "login/login.ts", line)).toEqual(["login/login.ts imports express-session"]);
});

test("only store/ and session/ touch req.session", () => {
  const rule = onlyIn(["store", "session"], "req.session");
  expect(broken(rule)).toEqual([]);
  expect(broken(rule, "errors.ts", "// req.session\nexport const hint = 'There is no req.session';")).toEqual(
    [],
  );
  for (const line of [
    "export const a = (req: Request) => req.session;",
    "export const a = (req: Request) => req?.sessionID;",
    "export const a = (visit: Visit) => visit.req.session.portal;",
    "export const a = (req: unknown) => (req as Request)!['sessionStore'];",
    "export const a = (req: Request) => { const { session: mine } = req; return mine; };",
    "export const a = ({ session }: Request) => session;",
  ])
    expect(broken(rule, "guard/new-file.ts", line), line).toEqual(["guard/new-file.ts touches req.session"]);
});

test("only settings/ reads process.env", () => {
  const rule = onlyIn(["settings"], "process.env");
  expect(broken(rule)).toEqual([]);
  for (const line of [
    "export const a = process.env['PORTAL_ISSUER'];",
    "export const a = globalThis.process?.env;",
    "export const { env } = process;",
    'import { env } from "node:process";',
  ])
    expect(broken(rule, "portal/new-file.ts", line), line).toEqual([
      "portal/new-file.ts touches process.env",
    ]);
});

test("lib/ imports the packages that package.json promises, and package.json promises no others", () => {
  const promised = Object.keys({ ...manifest.dependencies, ...manifest.peerDependencies });
  const isPackage = ({ of }: Import) => !of.endsWith(".ts") && !of.startsWith("node:");
  const stray = noImport((_source, imported) => isPackage(imported) && !promised.includes(imported.of));
  expect(broken(stray)).toEqual([]);
  expect(broken(stray, "errors.ts", 'import "koa";')).toEqual(["errors.ts imports koa"]);
  const loads = "export const open = (load: Load) => load('ioredis') as unknown;";
  expect(broken(stray, "store/new-file.ts", loads)).toEqual(["store/new-file.ts imports ioredis"]);

  const imported = house.flatMap(({ imports }) => imports.filter(isPackage).map(({ of }) => of));
  const types = imported.map((name) => `@types/${name}`);
  expect(promised.filter((name) => !imported.includes(name) && !types.includes(name))).toEqual([]);
});
