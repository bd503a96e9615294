import { IncomingMessage, ServerResponse } from "node:http";
import { Socket } from "node:net";
import { parseCookie } from "cookie";
import express, { type Request, type Response } from "express";
import { beforeEach, describe, expect, test, vi } from "vitest";
import type { LoginAttempt } from "../../lib/login-attempt/login-attempt.js";
import { LoginAttempts, type LoginAttemptsOptions } from "../../lib/login-attempt/login-attempts.js";
import { createSeed, deriveAttemptSecrets } from "../../lib/provider/authorization-request.js";

const SECRET = "0123456789abcdef0123456789abcdef";
const LIFETIME_MS = 600_000;
const START = 1_800_000_000_000;

let now = START;
beforeEach(() => {
  now = START;
  vi.spyOn(Date, "now").mockImplementation(() => now);
});

const create = (given: Partial<LoginAttemptsOptions> = {}): LoginAttempts =>
  new LoginAttempts({
    name: undefined,
    secrets: [SECRET],
    https: false,
    belongsTo: "one portal",
    clock: () => now,
    lifetimeMs: LIFETIME_MS,
    ...given,
  });

/** The cookies of one browser, by name and value, and the Set-Cookie lines of the last response. */
class Jar {
  cookies: Record<string, string> = {};
  lines: string[] = [];

  /** Makes a request with all cookies, in the order in which they came, and stores those of the response. */
  visit<T>(step: (req: Request, res: Response) => T): T {
    const req = new IncomingMessage(new Socket()) as Request;
    const header = Object.entries(this.cookies).map((pair) => pair.join("="));
    if (header.length > 0) req.headers.cookie = header.join("; ");
    const res = Object.setPrototypeOf(new ServerResponse(req), express.response) as Response;
    Object.assign(res, { req, app: express() });
    try {
      return step(req, res);
    } finally {
      this.lines = [res.getHeader("Set-Cookie") ?? []].flat().map(String);
      for (const line of this.lines) {
        const [[name = "", value = ""] = []] = Object.entries(parseCookie(line.split(";")[0] ?? ""));
        if (value === "") delete this.cookies[name];
        else this.cookies[name] = value;
      }
    }
  }
}

const HOME = "/prefix/";
const PROVIDER = "https://portal.example/oauth2/authorize";

/** Starts a login, and returns its state. */
function startLogin(
  jar: Jar,
  loginAttempts: LoginAttempts,
  more: Partial<LoginAttempt> = {},
  location = PROVIDER,
): string {
  const transaction = { seed: createSeed(), return_to: "/", started_at: now, ...more };
  const { href } = jar.visit((req, res) =>
    loginAttempts.save({ req, res }, transaction, (state) => `${location}?${new URLSearchParams({ state })}`),
  );
  return new URL(href).searchParams.get("state") ?? "";
}

/** Starts logins in requests with the same cookies, as tabs that load at once do. Returns their states. */
function startLoginsAtOnce(jar: Jar, loginAttempts: LoginAttempts, addresses: readonly string[]): string[] {
  const before = { ...jar.cookies };
  const after: Record<string, string> = {};
  const states = addresses.map((return_to) => {
    jar.cookies = { ...before };
    const state = startLogin(jar, loginAttempts, { return_to });
    Object.assign(after, jar.cookies);
    return state;
  });
  jar.cookies = after;
  return states;
}

const take = (jar: Jar, loginAttempts: LoginAttempts, state: string) =>
  jar.visit((req, res) => loginAttempts.take({ req, res }, state, HOME));

/** Takes a pending login. */
function takePending(jar: Jar, loginAttempts: LoginAttempts, state: string) {
  const taken = take(jar, loginAttempts, state);
  if (taken.kind !== "taken") throw new Error("the login is not open");
  return taken;
}

/** Takes a login, and finishes it. */
const finish = (jar: Jar, loginAttempts: LoginAttempts, state: string, return_to?: string) =>
  jar.visit((req, res) => {
    const taken = loginAttempts.take({ req, res }, state, HOME);
    if (taken.kind !== "taken") throw new Error("the login is not open");
    loginAttempts.finish({ req, res }, taken, return_to ?? taken.loginAttempt.return_to);
  });

const listNames = (jar: Jar) => Object.keys(jar.cookies);
const countBytes = (jar: Jar) =>
  Object.entries(jar.cookies).reduce((sum, [name, value]) => sum + name.length + value.length + 3, 0);
const listSlots = (jar: Jar) => listNames(jar).filter((name) => /\d$/.test(name));
const hasOverflow = (jar: Jar) => listNames(jar).some((name) => name.endsWith("x"));
/** A URL that fits only into the overflow. */
const createLongUrl = (query: string) => `/report?${query}=${"a".repeat(1490)}`;
const SLOTS = 8;

describe("a login that has started", () => {
  test("is taken once, with the values that follow from its seed", () => {
    const jar = new Jar();
    const loginAttempts = create();
    const state = startLogin(jar, loginAttempts, { return_to: "/account", max_age: 60 });
    const taken = takePending(jar, loginAttempts, state);
    expect(taken.loginAttempt).toMatchObject({ return_to: "/account", started_at: START });
    expect(taken.expected).toEqual({ ...deriveAttemptSecrets(taken.loginAttempt.seed), max_age: 60 });
    expect(take(jar, loginAttempts, state)).toEqual({ kind: "used", return_to: "/account" });
  });

  test("has no max_age to check if none was requested", () => {
    const jar = new Jar();
    const loginAttempts = create();
    expect(
      Object.keys((take(jar, loginAttempts, startLogin(jar, loginAttempts)) as never)["expected"]),
    ).toEqual(["state", "nonce", "code_verifier"]);
  });

  test("expires after ten minutes, and its mark ten minutes after it was used", () => {
    const jar = new Jar();
    const loginAttempts = create();
    const one = startLogin(jar, loginAttempts);
    const two = startLogin(jar, loginAttempts);
    now = START + LIFETIME_MS - 1;
    expect(take(jar, loginAttempts, one).kind).toBe("taken");
    now = START + LIFETIME_MS;
    expect(() => take(jar, loginAttempts, two)).toThrow(expect.objectContaining({ code: "login_expired" }));
    now += LIFETIME_MS - 2;
    expect(take(jar, loginAttempts, one).kind).toBe("used");
    now += 1;
    expect(() => take(jar, loginAttempts, one)).toThrow(expect.objectContaining({ code: "login_expired" }));
  });

  test("is found by its own state only", () => {
    const jar = new Jar();
    const loginAttempts = create();
    startLogin(jar, loginAttempts);
    const unknown = expect.objectContaining({ code: "login_not_found" });
    expect(() => take(jar, loginAttempts, "another")).toThrow(unknown);
    expect(() => take(new Jar(), loginAttempts, "another")).toThrow(unknown);
  });

  test("is not found by another portalAuth(), and not with another secret", () => {
    const jar = new Jar();
    const loginAttempts = create();
    const one = startLogin(jar, loginAttempts);
    const unknown = expect.objectContaining({ code: "login_not_found" });
    expect(() => take(jar, create({ belongsTo: "another" }), one)).toThrow(unknown);
    expect(() => take(jar, create({ secrets: [`${SECRET}x`] }), one)).toThrow(
      expect.objectContaining({ code: "login_secret_changed" }),
    );
  });

  test.each([
    [false, /^portal-login\.[\w-]{8}\d=[\w-]+; Max-Age=600; Path=\/; HttpOnly; SameSite=Lax$/],
    [true, /^__Host-portal-login\.[\w-]{8}\d=[\w-]+; Max-Age=600; Path=\/; HttpOnly; Secure; SameSite=Lax$/],
  ])("sets its cookie (https: %s), and sets the same one when it is used", (https, line) => {
    const jar = new Jar();
    const loginAttempts = create({ https });
    const state = startLogin(jar, loginAttempts);
    expect(jar.lines).toEqual([expect.stringMatching(line)]);
    expect(take(jar, loginAttempts, state).kind).toBe("taken");
    expect(jar.lines).toEqual([expect.stringMatching(line)]);
    now += 100_000;
    const taken = take(jar, loginAttempts, state);
    expect([taken.kind, jar.lines]).toEqual(["used", []]);
  });

  test("keeps every field, in the slot or in the overflow", () => {
    const more = {
      max_age: 300,
      acr: ["gold", "silver"],
      scope: "openid a b",
      isSilent: true,
      form: createSeed(),
    };
    for (const padding of [0, 5, 20, 60, 700]) {
      const jar = new Jar();
      const loginAttempts = create({ name: "staff-of-the-northern-warehouse", https: true });
      const return_to = `/${"a".repeat(padding)}?q=1`;
      const { loginAttempt } = takePending(
        jar,
        loginAttempts,
        startLogin(jar, loginAttempts, { ...more, return_to }),
      );
      expect(loginAttempt).toMatchObject({ ...more, return_to });
    }
  });

  test("leads to the page that finish() has named, for ten minutes after its end", () => {
    const jar = new Jar();
    const loginAttempts = create();
    const state = startLogin(jar, loginAttempts);
    now += 60_500;
    finish(jar, loginAttempts, state, "/welcome");
    expect(jar.lines).toEqual([expect.stringMatching(/Max-Age=600; .*SameSite=Lax$/)]);
    expect(take(jar, loginAttempts, state)).toEqual({ kind: "used", return_to: "/welcome" });
  });

  test("is not found if the facts in its state have no valid signature", () => {
    const jar = new Jar();
    const loginAttempts = create();
    const state = startLogin(jar, loginAttempts);
    const changed = state.slice(0, -1) + (state.endsWith("A") ? "B" : "A");
    expect(() => take(jar, loginAttempts, changed)).toThrow(
      expect.objectContaining({ code: "login_not_found" }),
    );
    expect(take(jar, loginAttempts, state).kind).toBe("taken");
  });
});

describe("the cookies of all logins", () => {
  test.each([
    [12, 1500],
    [20, 12],
    [40, 1990],
    [40, 60],
  ])(
    "stay below 4,000 bytes when %i logins start at once, each with a URL of %i characters",
    (count, length) => {
      for (const given of [{}, { name: "staff-of-the-northern-warehouse", https: true }]) {
        const jar = new Jar();
        const loginAttempts = create(given);
        const addresses = Array.from(
          { length: count },
          (_, tab) => `/page?tab=${tab}${"a".repeat(length - 12)}`,
        );
        startLoginsAtOnce(jar, loginAttempts, addresses);
        expect(countBytes(jar)).toBeLessThanOrEqual(4000);
        expect(listSlots(jar)).toHaveLength(SLOTS);
        for (const [name, value] of Object.entries(jar.cookies))
          expect(name.length + value.length).toBeLessThan(4096);
      }
    },
  );

  test("use eight slots for eight logins that start at once, and each login can be finished", () => {
    const jar = new Jar();
    const loginAttempts = create();
    const addresses = Array.from({ length: SLOTS }, (_, tab) => `/orders?tab=${tab}`);
    const states = startLoginsAtOnce(jar, loginAttempts, addresses);
    const taken = states.map((state) => takePending(jar, loginAttempts, state).loginAttempt.return_to);
    expect(taken).toEqual(addresses);
  });

  test("keep a URL of 1,500 characters, beside seven other logins", () => {
    const jar = new Jar();
    const loginAttempts = create();
    for (let tab = 1; tab < SLOTS; tab += 1)
      startLogin(jar, loginAttempts, { return_to: `/orders?tab=${tab}` });
    const state = startLogin(jar, loginAttempts, { return_to: createLongUrl("id") });
    expect(takePending(jar, loginAttempts, state).loginAttempt.return_to).toBe(createLongUrl("id"));
  });

  test("have room for one long URL, so a login whose URL was overwritten returns to its path", () => {
    const jar = new Jar();
    const loginAttempts = create();
    const [one = "", two = ""] = startLoginsAtOnce(jar, loginAttempts, [
      createLongUrl("one"),
      createLongUrl("two"),
    ]);
    expect(takePending(jar, loginAttempts, one).loginAttempt.return_to).toBe("/report");
    expect(takePending(jar, loginAttempts, two).loginAttempt.return_to).toBe(createLongUrl("two"));
  });

  test("share the overflow: URLs of 230 characters come back, in each order of the logins", () => {
    const jar = new Jar();
    const loginAttempts = create();
    const addresses = Array.from({ length: 6 }, (_, tab) => `/report?tab=${tab}&${"a".repeat(215)}`);
    const states = addresses.map((return_to) => {
      now += 1;
      return startLogin(jar, loginAttempts, { return_to });
    });
    for (const index of [3, 0, 5, 1, 4, 2]) {
      const before = { ...jar.cookies };
      expect(takePending(jar, loginAttempts, states[index] ?? "").loginAttempt.return_to).toBe(
        addresses[index],
      );
      jar.cookies = before;
      finish(jar, loginAttempts, states[index] ?? "");
    }
    expect(hasOverflow(jar)).toBe(false);
  });

  test("drop the oldest overflow for a new one, and first that of finished logins", () => {
    const jar = new Jar();
    const loginAttempts = create();
    const query = (tab: string) => `/report?tab=${tab}&${"a".repeat(600)}`;
    const states: Record<string, string> = {};
    for (const tab of ["one", "two"]) {
      now += 1;
      states[tab] = startLogin(jar, loginAttempts, { return_to: query(tab) });
    }
    finish(jar, loginAttempts, states["one"] ?? "");
    for (const tab of ["three", "four"]) {
      now += 1;
      states[tab] = startLogin(jar, loginAttempts, { return_to: query(tab) });
      const [older, newer] = tab === "three" ? ["two", "three"] : ["three", "four"];
      for (const kept of [older, newer]) {
        const before = { ...jar.cookies };
        const { loginAttempt } = takePending(jar, loginAttempts, states[kept] ?? "");
        expect(loginAttempt.return_to).toBe(query(kept));
        jar.cookies = before;
      }
    }
    expect(takePending(jar, loginAttempts, states["two"] ?? "").loginAttempt.return_to).toBe("/report");
  });

  test("shorten a URL that does not fit to its path, or to the start page", () => {
    const jar = new Jar();
    const loginAttempts = create();
    const takeReturnTo = (return_to: string) =>
      takePending(jar, loginAttempts, startLogin(jar, loginAttempts, { return_to })).loginAttempt.return_to;
    expect(takeReturnTo(`/report?${"a".repeat(1900)}`)).toBe("/report");
    expect(takeReturnTo(`/${"a".repeat(1200)}?${"b".repeat(700)}`)).toBe(`/${"a".repeat(1200)}`);
    expect(takeReturnTo(`/${"a".repeat(1900)}?b`)).toBe(HOME);
    expect(countBytes(jar)).toBeLessThanOrEqual(4000);
  });

  test("omit a long URL if the URL at the provider leaves no room for it below 4 KiB of headers", () => {
    const jar = new Jar();
    const loginAttempts = create();
    const provider = `${PROVIDER}/${"p".repeat(1500)}`;
    const state = startLogin(jar, loginAttempts, { return_to: createLongUrl("id") }, provider);
    expect(hasOverflow(jar)).toBe(false);
    expect(takePending(jar, loginAttempts, state).loginAttempt.return_to).toBe("/report");
  });

  test.each([
    ["scope", { scope: `openid ${"s".repeat(600)}` }],
    ["acr", { acr: ["a".repeat(250), "b".repeat(250)] }],
  ])(
    "never drop a long %s silently: the login is rejected if another login has overwritten it",
    (_name, more) => {
      const jar = new Jar();
      const loginAttempts = create();
      const state = startLogin(jar, loginAttempts, more);
      const before = { ...jar.cookies };
      expect(takePending(jar, loginAttempts, state).expected).toMatchObject(more);
      jar.cookies = before;
      startLogin(jar, loginAttempts, { return_to: createLongUrl("other") });
      expect(() => take(jar, loginAttempts, state)).toThrow(
        expect.objectContaining({ code: "login_overwritten" }),
      );
      expect(take(jar, loginAttempts, state).kind).toBe("used");
    },
  );

  test("keep a short acr and max_age in the slot, which no other login overwrites", () => {
    const jar = new Jar();
    const loginAttempts = create();
    const checks = { acr: ["urn:mace:incommon:iap:silver"], max_age: 300 };
    const state = startLogin(jar, loginAttempts, { ...checks, return_to: createLongUrl("one") });
    startLogin(jar, loginAttempts, { return_to: createLongUrl("two") });
    const { expected, loginAttempt } = takePending(jar, loginAttempts, state);
    expect([expected, loginAttempt.return_to]).toEqual([expect.objectContaining(checks), "/report"]);
  });

  test("reject scope and acr that are too long", () => {
    const jar = new Jar();
    const loginAttempts = create();
    const tooLong = { scope: `openid ${"s".repeat(2000)}` };
    expect(() => startLogin(jar, loginAttempts, tooLong)).toThrow(
      expect.objectContaining({
        code: "authorization_params_invalid",
        detail: expect.stringContaining("4 KiB"),
      }),
    );
    expect(listNames(jar)).toEqual([]);
  });

  test("are overwritten in this order: unreadable cookies, marks, the oldest login", () => {
    const jar = new Jar();
    const loginAttempts = create();
    const states = Array.from({ length: SLOTS - 2 }, () => {
      now += 1;
      return startLogin(jar, loginAttempts);
    });
    const over = startLogin(jar, loginAttempts);
    takePending(jar, loginAttempts, over);
    const [free = ""] = Array.from(
      { length: SLOTS },
      (_, index) => `${listNames(jar)[0]?.slice(0, -1)}${index}`,
    ).filter((name) => !listNames(jar).includes(name));
    jar.cookies[free] = "of-another-secret";
    now += 1;
    const later = [startLogin(jar, loginAttempts)];
    expect(jar.cookies[free]).not.toBe("of-another-secret");
    expect(take(jar, loginAttempts, over).kind).toBe("used");
    now += 1;
    later.push(startLogin(jar, loginAttempts));
    expect(() => take(jar, loginAttempts, over)).toThrow();
    expect(listSlots(jar)).toHaveLength(SLOTS);
    later.push(startLogin(jar, loginAttempts));
    const [oldest = "", ...others] = states;
    expect(() => take(jar, loginAttempts, oldest)).toThrow();
    for (const state of [...others, ...later]) expect(take(jar, loginAttempts, state).kind).toBe("taken");
  });

  test("of earlier logins are cleared when one is finished, and those of other tabs stay", () => {
    const jar = new Jar();
    const loginAttempts = create({ https: true });
    const stale = startLogin(jar, loginAttempts);
    now += LIFETIME_MS;
    const finished = startLogin(jar, loginAttempts);
    const pending = startLogin(jar, loginAttempts);
    finish(jar, loginAttempts, finished);
    const last = startLogin(jar, loginAttempts, { return_to: createLongUrl("last") });
    expect(hasOverflow(jar)).toBe(true);
    finish(jar, loginAttempts, last);
    expect(hasOverflow(jar)).toBe(false);
    expect(listSlots(jar)).toHaveLength(2);
    for (const line of jar.lines) expect(line).toMatch(/; Path=\/; HttpOnly; Secure; SameSite=Lax$/);
    for (const state of [stale, finished]) expect(() => take(jar, loginAttempts, state)).toThrow();
    expect(take(jar, loginAttempts, last)).toEqual({ kind: "used", return_to: "/report" });
    expect(take(jar, loginAttempts, pending).kind).toBe("taken");
  });

  test("keep the long URL of a pending login when another login is finished", () => {
    const jar = new Jar();
    const loginAttempts = create();
    const pending = startLogin(jar, loginAttempts, { return_to: createLongUrl("waiting") });
    finish(jar, loginAttempts, startLogin(jar, loginAttempts));
    expect(takePending(jar, loginAttempts, pending).loginAttempt.return_to).toBe(createLongUrl("waiting"));
  });

  test("are all cleared by a logout as far as its response has room, marks first", () => {
    const jar = new Jar();
    const loginAttempts = create();
    for (let tab = 0; tab < SLOTS; tab += 1)
      startLogin(jar, loginAttempts, { return_to: createLongUrl("id") });
    const crowded = new Jar();
    crowded.cookies = { ...jar.cookies };
    jar.visit((req, res) => loginAttempts.clear({ req, res }, "/"));
    expect(listNames(jar)).toEqual([]);
    const over = startLogin(crowded, loginAttempts);
    takePending(crowded, loginAttempts, over);
    crowded.visit((req, res) => loginAttempts.clear({ req, res }, `/${"l".repeat(2900)}`));
    expect(() => take(crowded, loginAttempts, over)).toThrow();
    expect(crowded.lines.join().length).toBeLessThan(600);
    expect(listSlots(crowded).length).toBeGreaterThan(1);
  });

  test("do not affect the application's cookies, which are neither counted nor cleared", () => {
    const jar = new Jar();
    const loginAttempts = create();
    const state = startLogin(jar, loginAttempts);
    const [slot = ""] = listNames(jar);
    const own = {
      "portal-session": "s%3Aabc",
      "my-portal-login.0123456789abcdef": "a".repeat(3000),
      [`${slot}0`]: "b".repeat(3000),
      [`other-${slot}`]: "c".repeat(3000),
    };
    Object.assign(jar.cookies, own);
    startLogin(jar, loginAttempts, { return_to: createLongUrl("id") });
    jar.visit((req, res) => loginAttempts.clear({ req, res }, "/"));
    expect(jar.cookies).toEqual(own);
    expect(() => take(jar, loginAttempts, state)).toThrow();
  });
});
