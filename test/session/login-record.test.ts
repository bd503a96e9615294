import { readFile } from "node:fs/promises";
import { inspect } from "node:util";
import { expect, test } from "vitest";
import { LoginView, shortenUserAgent } from "../../lib/session/login-record.js";
import { loginRecord } from "./records.js";

const view = () => new LoginView(loginRecord({ authentication: { sid: "s", amr: ["pwd"] } }));

test("the view of a login has the documented members, and none that concern only the store", () => {
  const { claims, tokens, authentication, ...others } = view();
  expect([claims.sub, tokens.access_token, authentication?.sid]).toEqual(["amara", "secret-access", "s"]);
  expect(Object.keys(others).sort()).toEqual([
    "after_rejection",
    "client_id",
    "issuer",
    "login_id",
    "obtained_at",
    "redirect_uri",
    "started_at",
    "version",
  ]);
});

test("the guide names each member of the view", async () => {
  const guide = new URL("../../example-app/guide/users-and-hooks.md", import.meta.url);
  const [, section = ""] = (await readFile(guide, "utf8")).split("\n## req.session.portal\n");
  const [table = ""] = section.split("\n\n- ");
  for (const member of Object.keys(view())) expect(table).toContain(`\`${member}\``);
});

test("each member of the view has the value of the record", () => {
  const record = loginRecord({ authentication: { sid: "s" }, after_rejection: true });
  expect(record).toMatchObject({ ...new LoginView(record) });
});

test("JSON of an object omits the view", () => {
  expect(JSON.stringify({ cart: 1, portal: view() })).toBe('{"cart":1}');
});

test.each([
  ["alone", () => view()],
  ["in an object", () => ({ portal: view() })],
])("util.inspect, which loggers use, shows no token of the view (%s)", (_place, value) => {
  const shown = inspect(value(), { depth: 9, showHidden: true });
  expect(shown).toContain("amara");
  expect(shown).not.toContain("secret");
});

test.each<[string, (login: LoginView) => unknown]>([
  ["a member", (login) => Object.assign(login, { login_id: "another" })],
  ["a token", (login) => Object.assign(login.tokens, { access_token: "another" })],
  ["a claim", (login) => Object.assign(login.claims, { sub: "jonas" })],
  ["an element of an array", (login) => Object.assign(login.authentication?.amr ?? [], ["otp"])],
  ["a new member", (login) => Object.assign(login, { role: "admin" })],
])("%s of the view cannot be changed", (_member, change) => {
  const login = view();
  expect(() => change(login)).toThrow(TypeError);
  expect(login).toEqual(view());
});

test("a User-Agent is shortened to 256 characters", () => {
  expect([
    shortenUserAgent("a".repeat(300))?.length,
    shortenUserAgent("short"),
    shortenUserAgent(undefined),
  ]).toEqual([256, "short", undefined]);
});
