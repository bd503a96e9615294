import { IncomingMessage, ServerResponse } from "node:http";
import { Socket } from "node:net";
import { parseCookie } from "cookie";
import express, { type Request, type Response } from "express";
import { beforeEach, describe, expect, test, vi } from "vitest";
import type { LoginAttempt } from "../../lib/login-attempt/login-attempt.js";
import { LoginAttempts, type LoginAttemptsOptions } from "../../lib/login-attempt/login-attempts.js";
import { attemptOf, newSeed } from "../../lib/provider/authorization-request.js";

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

/** What one browser keeps, as far as the names and values go; and what it was told last. */
class Jar {
  cookies: Record<string, string> = {};
  lines: string[] = [];

  /** A request with all cookies, in the order in which they came; what is answered is kept. */
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

/** Begins a login; returns its state. */
function begin(
  jar: Jar,
  loginAttempts: LoginAttempts,
  more: Partial<LoginAttempt> = {},
  location = PROVIDER,
): string {
  const transaction = { seed: newSeed(), return_to: "/", started_at: now, ...more };
  const { href } = jar.visit((req, res) =>
    loginAttempts.save({ req, res }, transaction, (state) => `${location}?${new URLSearchParams({ state })}`),
  );
  return new URL(href).searchParams.get("state") ?? "";
}

/** Begins several logins in requests that see the same cookies, as tabs that load at once do; returns their states. */
function beginAtOnce(jar: Jar, loginAttempts: LoginAttempts, addresses: readonly string[]): string[] {
  const before = { ...jar.cookies };
  const after: Record<string, string> = {};
  const states = addresses.map((return_to) => {
    jar.cookies = { ...before };
    const state = begin(jar, loginAttempts, { return_to });
    Object.assign(after, jar.cookies);
    return state;
  });
  jar.cookies = after;
  return states;
}

const take = (jar: Jar, loginAttempts: LoginAttempts, state: string) =>
  jar.visit((req, res) => loginAttempts.take({ req, res }, state, HOME));

/** Takes a login that is open. */
function takeOpen(jar: Jar, loginAttempts: LoginAttempts, state: string) {
  const taken = take(jar, loginAttempts, state);
  if (taken.kind !== "taken") throw new Error("the login is not open");
  return taken;
}

/** Takes a login and finishes it. */
const finish = (jar: Jar, loginAttempts: LoginAttempts, state: string, return_to?: string) =>
  jar.visit((req, res) => {
    const taken = loginAttempts.take({ req, res }, state, HOME);
    if (taken.kind !== "taken") throw new Error("the login is not open");
    loginAttempts.finish({ req, res }, taken, return_to ?? taken.loginAttempt.return_to);
  });

const names = (jar: Jar) => Object.keys(jar.cookies);
const bytes = (jar: Jar) =>
  Object.entries(jar.cookies).reduce((sum, [name, value]) => sum + name.length + value.length + 3, 0);
const slotsIn = (jar: Jar) => names(jar).filter((name) => /\d$/.test(name));
const hasOverflow = (jar: Jar) => names(jar).some((name) => name.endsWith("x"));
/** An address that fits into the overflow alone. */
const long = (query: string) => `/report?${query}=${"a".repeat(1490)}`;
const SLOTS = 8;

describe("a login that was begun", () => {
  test("is what comes back, with the attempt that grows from its seed; and is spent by that", () => {
    const [jar, loginAttempts] = [new Jar(), create()];
    const state = begin(jar, loginAttempts, { return_to: "/account", max_age: 60 });
    const taken = takeOpen(jar, loginAttempts, state);
    expect(taken.loginAttempt).toMatchObject({ return_to: "/account", started_at: START });
    expect(taken.expected).toEqual({ ...attemptOf(taken.loginAttempt.seed), max_age: 60 });
    expect(take(jar, loginAttempts, state)).toEqual({ kind: "used", return_to: "/account" });
  });

  test("expects no max_age where none was asked for", () => {
    const [jar, loginAttempts] = [new Jar(), create()];
    expect(Object.keys((take(jar, loginAttempts, begin(jar, loginAttempts)) as never)["expected"])).toEqual([
      "state",
      "nonce",
      "code_verifier",
    ]);
  });

  test("ends after ten minutes, to the millisecond, and its mark ten minutes after it was used", () => {
    const [jar, loginAttempts] = [new Jar(), create()];
    const [one, two] = [begin(jar, loginAttempts), begin(jar, loginAttempts)];
    now = START + LIFETIME_MS - 1;
    expect(take(jar, loginAttempts, one).kind).toBe("taken");
    now = START + LIFETIME_MS;
    expect(() => take(jar, loginAttempts, two)).toThrow(expect.objectContaining({ code: "login_expired" }));
    now += LIFETIME_MS - 2;
    expect(take(jar, loginAttempts, one).kind).toBe("used");
    now += 1;
    expect(() => take(jar, loginAttempts, one)).toThrow(expect.objectContaining({ code: "login_expired" }));
  });

  test("is found by its own state alone, with cookies or without", () => {
    const [jar, loginAttempts] = [new Jar(), create()];
    begin(jar, loginAttempts);
    const unknown = expect.objectContaining({ code: "login_not_found" });
    expect(() => take(jar, loginAttempts, "another")).toThrow(unknown);
    expect(() => take(new Jar(), loginAttempts, "another")).toThrow(unknown);
  });

  test("is not found by another portalAuth(), nor with another secret", () => {
    const [jar, loginAttempts] = [new Jar(), create()];
    const one = begin(jar, loginAttempts);
    const unknown = expect.objectContaining({ code: "login_not_found" });
    expect(() => take(jar, create({ belongsTo: "another" }), one)).toThrow(unknown);
    expect(() => take(jar, create({ secrets: [`${SECRET}x`] }), one)).toThrow(
      expect.objectContaining({ code: "login_secret_changed" }),
    );
  });

  test.each([
    [false, /^portal-login\.[\w-]{8}\d=[\w-]+; Max-Age=600; Path=\/; HttpOnly; SameSite=Lax$/],
    [true, /^__Host-portal-login\.[\w-]{8}\d=[\w-]+; Max-Age=600; Path=\/; HttpOnly; Secure; SameSite=Lax$/],
  ])("has its cookie (https: %s), and the same when it is spent", (https, line) => {
    const [jar, loginAttempts] = [new Jar(), create({ https })];
    const state = begin(jar, loginAttempts);
    expect(jar.lines).toEqual([expect.stringMatching(line)]);
    expect(take(jar, loginAttempts, state).kind).toBe("taken");
    expect(jar.lines).toEqual([expect.stringMatching(line)]);
    now += 100_000;
    const taken = take(jar, loginAttempts, state);
    expect([taken.kind, jar.lines]).toEqual(["used", []]);
  });

  test("keeps every field, whether it is in the slot or in the overflow", () => {
    const more = {
      max_age: 300,
      acr: ["gold", "silver"],
      scope: "openid a b",
      isSilent: true,
      form: newSeed(),
    };
    for (const padding of [0, 5, 20, 60, 700]) {
      const [jar, loginAttempts] = [
        new Jar(),
        create({ name: "staff-of-the-northern-warehouse", https: true }),
      ];
      const return_to = `/${"a".repeat(padding)}?q=1`;
      const { loginAttempt } = takeOpen(
        jar,
        loginAttempts,
        begin(jar, loginAttempts, { ...more, return_to }),
      );
      expect(loginAttempt).toMatchObject({ ...more, return_to });
    }
  });

  test("that is over leads to the page that its end has named, for ten minutes from then on", () => {
    const [jar, loginAttempts] = [new Jar(), create()];
    const state = begin(jar, loginAttempts);
    now += 60_500;
    finish(jar, loginAttempts, state, "/welcome");
    expect(jar.lines).toEqual([expect.stringMatching(/Max-Age=600; .*SameSite=Lax$/)]);
    expect(take(jar, loginAttempts, state)).toEqual({ kind: "used", return_to: "/welcome" });
  });

  test("is not opened by evidence that nobody has signed", () => {
    const [jar, loginAttempts] = [new Jar(), create()];
    const state = begin(jar, loginAttempts);
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
    "stay below 4,000 bytes when %i logins begin at once, each with an address of %i characters",
    (count, length) => {
      for (const given of [{}, { name: "staff-of-the-northern-warehouse", https: true }]) {
        const [jar, loginAttempts] = [new Jar(), create(given)];
        const addresses = Array.from(
          { length: count },
          (_, tab) => `/page?tab=${tab}${"a".repeat(length - 12)}`,
        );
        beginAtOnce(jar, loginAttempts, addresses);
        expect(bytes(jar)).toBeLessThanOrEqual(4000);
        expect(slotsIn(jar)).toHaveLength(SLOTS);
        for (const [name, value] of Object.entries(jar.cookies))
          expect(name.length + value.length).toBeLessThan(4096);
      }
    },
  );

  test("of eight logins that begin at once are eight: each can be finished", () => {
    const [jar, loginAttempts] = [new Jar(), create()];
    const addresses = Array.from({ length: SLOTS }, (_, tab) => `/orders?tab=${tab}`);
    const states = beginAtOnce(jar, loginAttempts, addresses);
    const taken = states.map((state) => takeOpen(jar, loginAttempts, state).loginAttempt.return_to);
    expect(taken).toEqual(addresses);
  });

  test("give an address of 1,500 characters back, beside seven other logins", () => {
    const [jar, loginAttempts] = [new Jar(), create()];
    for (let tab = 1; tab < SLOTS; tab += 1) begin(jar, loginAttempts, { return_to: `/orders?tab=${tab}` });
    const state = begin(jar, loginAttempts, { return_to: long("id") });
    expect(takeOpen(jar, loginAttempts, state).loginAttempt.return_to).toBe(long("id"));
  });

  test("hold one long address: the login whose address was overwritten returns to its path", () => {
    const [jar, loginAttempts] = [new Jar(), create()];
    const [one = "", two = ""] = beginAtOnce(jar, loginAttempts, [long("one"), long("two")]);
    expect(takeOpen(jar, loginAttempts, one).loginAttempt.return_to).toBe("/report");
    expect(takeOpen(jar, loginAttempts, two).loginAttempt.return_to).toBe(long("two"));
  });

  test("share the overflow: addresses of 230 characters come back, whichever login is finished first", () => {
    const [jar, loginAttempts] = [new Jar(), create()];
    const addresses = Array.from({ length: 6 }, (_, tab) => `/report?tab=${tab}&${"a".repeat(215)}`);
    const states = addresses.map((return_to) => {
      now += 1;
      return begin(jar, loginAttempts, { return_to });
    });
    for (const index of [3, 0, 5, 1, 4, 2]) {
      const before = { ...jar.cookies };
      expect(takeOpen(jar, loginAttempts, states[index] ?? "").loginAttempt.return_to).toBe(addresses[index]);
      jar.cookies = before;
      finish(jar, loginAttempts, states[index] ?? "");
    }
    expect(hasOverflow(jar)).toBe(false);
  });

  test("drop the oldest overflow for a new one, and that of logins that are over first", () => {
    const [jar, loginAttempts] = [new Jar(), create()];
    const query = (tab: string) => `/report?tab=${tab}&${"a".repeat(600)}`;
    const states: Record<string, string> = {};
    for (const tab of ["one", "two"]) {
      now += 1;
      states[tab] = begin(jar, loginAttempts, { return_to: query(tab) });
    }
    finish(jar, loginAttempts, states["one"] ?? "");
    for (const tab of ["three", "four"]) {
      now += 1;
      states[tab] = begin(jar, loginAttempts, { return_to: query(tab) });
      const [older, newer] = tab === "three" ? ["two", "three"] : ["three", "four"];
      for (const kept of [older, newer]) {
        const before = { ...jar.cookies };
        const { loginAttempt } = takeOpen(jar, loginAttempts, states[kept] ?? "");
        expect(loginAttempt.return_to).toBe(query(kept));
        jar.cookies = before;
      }
    }
    expect(takeOpen(jar, loginAttempts, states["two"] ?? "").loginAttempt.return_to).toBe("/report");
  });

  test("shorten an address that fits nowhere to its path, or to the start page", () => {
    const [jar, loginAttempts] = [new Jar(), create()];
    const addressOf = (return_to: string) =>
      takeOpen(jar, loginAttempts, begin(jar, loginAttempts, { return_to })).loginAttempt.return_to;
    expect(addressOf(`/report?${"a".repeat(1900)}`)).toBe("/report");
    expect(addressOf(`/${"a".repeat(1200)}?${"b".repeat(700)}`)).toBe(`/${"a".repeat(1200)}`);
    expect(addressOf(`/${"a".repeat(1900)}?b`)).toBe(HOME);
    expect(bytes(jar)).toBeLessThanOrEqual(4000);
  });

  test("leave a long address out when the address at the provider leaves no room for it below 4 KiB of headers", () => {
    const [jar, loginAttempts] = [new Jar(), create()];
    const provider = `${PROVIDER}/${"p".repeat(1500)}`;
    const state = begin(jar, loginAttempts, { return_to: long("id") }, provider);
    expect(hasOverflow(jar)).toBe(false);
    expect(takeOpen(jar, loginAttempts, state).loginAttempt.return_to).toBe("/report");
  });

  test.each([
    ["scope", { scope: `openid ${"s".repeat(600)}` }],
    ["acr", { acr: ["a".repeat(250), "b".repeat(250)] }],
  ])("never lose a long %s silently: the login is refused when another has overwritten it", (_name, more) => {
    const [jar, loginAttempts] = [new Jar(), create()];
    const state = begin(jar, loginAttempts, more);
    const before = { ...jar.cookies };
    expect(takeOpen(jar, loginAttempts, state).expected).toMatchObject(more);
    jar.cookies = before;
    begin(jar, loginAttempts, { return_to: long("other") });
    expect(() => take(jar, loginAttempts, state)).toThrow(
      expect.objectContaining({ code: "login_overwritten" }),
    );
    expect(take(jar, loginAttempts, state).kind).toBe("used");
  });

  test("keep a short acr and max_age in the slot, which no other login overwrites", () => {
    const [jar, loginAttempts] = [new Jar(), create()];
    const checks = { acr: ["urn:mace:incommon:iap:silver"], max_age: 300 };
    const state = begin(jar, loginAttempts, { ...checks, return_to: long("one") });
    begin(jar, loginAttempts, { return_to: long("two") });
    const { expected, loginAttempt } = takeOpen(jar, loginAttempts, state);
    expect([expected, loginAttempt.return_to]).toEqual([expect.objectContaining(checks), "/report"]);
  });

  test("refuse scope and acr that cannot be remembered", () => {
    const [jar, loginAttempts] = [new Jar(), create()];
    const tooLong = { scope: `openid ${"s".repeat(2000)}` };
    expect(() => begin(jar, loginAttempts, tooLong)).toThrow(
      expect.objectContaining({
        code: "authorization_params_invalid",
        detail: expect.stringContaining("4 KiB"),
      }),
    );
    expect(names(jar)).toEqual([]);
  });

  test("lose first what cannot be opened, then marks, then the oldest login", () => {
    const [jar, loginAttempts] = [new Jar(), create()];
    const states = Array.from({ length: SLOTS - 2 }, () => {
      now += 1;
      return begin(jar, loginAttempts);
    });
    const over = begin(jar, loginAttempts);
    takeOpen(jar, loginAttempts, over);
    const [free = ""] = Array.from(
      { length: SLOTS },
      (_, index) => `${names(jar)[0]?.slice(0, -1)}${index}`,
    ).filter((name) => !names(jar).includes(name));
    jar.cookies[free] = "of-another-secret";
    now += 1;
    const later = [begin(jar, loginAttempts)];
    expect(jar.cookies[free]).not.toBe("of-another-secret");
    expect(take(jar, loginAttempts, over).kind).toBe("used");
    now += 1;
    later.push(begin(jar, loginAttempts));
    expect(() => take(jar, loginAttempts, over)).toThrow();
    expect(slotsIn(jar)).toHaveLength(SLOTS);
    later.push(begin(jar, loginAttempts));
    const [oldest = "", ...others] = states;
    expect(() => take(jar, loginAttempts, oldest)).toThrow();
    for (const state of [...others, ...later]) expect(take(jar, loginAttempts, state).kind).toBe("taken");
  });

  test("of earlier logins are cleared when one is finished; those that wait in other tabs stay", () => {
    const [jar, loginAttempts] = [new Jar(), create({ https: true })];
    const stale = begin(jar, loginAttempts);
    now += LIFETIME_MS;
    const [finished, waiting] = [begin(jar, loginAttempts), begin(jar, loginAttempts)];
    finish(jar, loginAttempts, finished);
    const last = begin(jar, loginAttempts, { return_to: long("last") });
    expect(hasOverflow(jar)).toBe(true);
    finish(jar, loginAttempts, last);
    expect(hasOverflow(jar)).toBe(false);
    expect(slotsIn(jar)).toHaveLength(2);
    for (const line of jar.lines) expect(line).toMatch(/; Path=\/; HttpOnly; Secure; SameSite=Lax$/);
    for (const state of [stale, finished]) expect(() => take(jar, loginAttempts, state)).toThrow();
    expect(take(jar, loginAttempts, last)).toEqual({ kind: "used", return_to: "/report" });
    expect(take(jar, loginAttempts, waiting).kind).toBe("taken");
  });

  test("keep the long address of a login that waits, when another one is finished", () => {
    const [jar, loginAttempts] = [new Jar(), create()];
    const waiting = begin(jar, loginAttempts, { return_to: long("waiting") });
    finish(jar, loginAttempts, begin(jar, loginAttempts));
    expect(takeOpen(jar, loginAttempts, waiting).loginAttempt.return_to).toBe(long("waiting"));
  });

  test("are all cleared by a logout; as far as its answer has room, marks first", () => {
    const [jar, loginAttempts] = [new Jar(), create()];
    for (let tab = 0; tab < SLOTS; tab += 1) begin(jar, loginAttempts, { return_to: long("id") });
    const crowded = new Jar();
    crowded.cookies = { ...jar.cookies };
    jar.visit((req, res) => loginAttempts.clear({ req, res }, "/"));
    expect(names(jar)).toEqual([]);
    const over = begin(crowded, loginAttempts);
    takeOpen(crowded, loginAttempts, over);
    crowded.visit((req, res) => loginAttempts.clear({ req, res }, `/${"l".repeat(2900)}`));
    expect(() => take(crowded, loginAttempts, over)).toThrow();
    expect(crowded.lines.join().length).toBeLessThan(600);
    expect(slotsIn(crowded).length).toBeGreaterThan(1);
  });

  test("are alone in this: the cookies of an application are neither counted nor cleared", () => {
    const [jar, loginAttempts] = [new Jar(), create()];
    const state = begin(jar, loginAttempts);
    const [slot = ""] = names(jar);
    const own = {
      "portal-session": "s%3Aabc",
      "my-portal-login.0123456789abcdef": "a".repeat(3000),
      [`${slot}0`]: "b".repeat(3000),
      [`other-${slot}`]: "c".repeat(3000),
    };
    Object.assign(jar.cookies, own);
    begin(jar, loginAttempts, { return_to: long("id") });
    jar.visit((req, res) => loginAttempts.clear({ req, res }, "/"));
    expect(jar.cookies).toEqual(own);
    expect(() => take(jar, loginAttempts, state)).toThrow();
  });
});
