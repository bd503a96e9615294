import { IncomingMessage, ServerResponse } from "node:http";
import { Socket } from "node:net";
import { parseCookie } from "cookie";
import express, { type Request, type Response } from "express";
import { beforeEach, describe, expect, test, vi } from "vitest";
import { createTransactions, LIFETIME_MS, type Transaction, type Transactions } from "../../lib/login/transaction.js";
import { attemptOf, newSeed } from "../../lib/portal/authorize.js";

const SECRET = "0123456789abcdef0123456789abcdef";
const START = 1_800_000_000_000;

let now = START;
beforeEach(() => {
  now = START;
  vi.spyOn(Date, "now").mockImplementation(() => now);
});

const create = (given: Partial<Parameters<typeof createTransactions>[0]> = {}): Transactions =>
  createTransactions({ name: undefined, secrets: [SECRET], https: false, belongsTo: "one portal", ...given });

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

/** A login is begun; its state. */
function begin(jar: Jar, transactions: Transactions, more: Partial<Transaction> = {}): string {
  const seed = newSeed();
  const transaction = { seed, return_to: "/", begun_at: now, ...more };
  return jar.visit((req, res) => transactions.save(req, res, attemptOf(seed).state, transaction)).state;
}

const take = (jar: Jar, transactions: Transactions, state: string) =>
  jar.visit((req, res) => transactions.take(req, res, state));

const names = (jar: Jar) => Object.keys(jar.cookies);
const bytes = (jar: Jar) =>
  Object.entries(jar.cookies).reduce((sum, [name, value]) => sum + name.length + value.length + 3, 0);
/** So long that some of them fill what there is. */
const LONG = `/${"a".repeat(700)}`;

describe("a login that was begun", () => {
  test("is what comes back, with the attempt that grows from its seed; and is spent by that", () => {
    const [jar, transactions] = [new Jar(), create()];
    const state = begin(jar, transactions, { return_to: "/account", max_age: 60 });
    const taken = take(jar, transactions, state);
    if (taken.kind !== "begun") throw new Error("it was not begun");
    expect(taken.transaction).toMatchObject({ return_to: "/account", begun_at: START });
    expect(taken.expected).toEqual({ ...attemptOf(taken.transaction.seed), max_age: 60 });
    expect(take(jar, transactions, state)).toEqual({ kind: "spent", return_to: "/account" });
  });

  test("expects no max_age where none was asked for", () => {
    const [jar, transactions] = [new Jar(), create()];
    expect(Object.keys((take(jar, transactions, begin(jar, transactions)) as never)["expected"])).toEqual([
      "state",
      "nonce",
      "code_verifier",
    ]);
  });

  test("ends after ten minutes, to the millisecond, finished or not", () => {
    const [jar, transactions] = [new Jar(), create()];
    const [one, two] = [begin(jar, transactions), begin(jar, transactions)];
    now = START + LIFETIME_MS - 1;
    expect(take(jar, transactions, one).kind).toBe("begun");
    now = START + LIFETIME_MS;
    expect(() => take(jar, transactions, one)).toThrow(expect.objectContaining({ code: "login_expired" }));
    expect(() => take(jar, transactions, two)).toThrow(expect.objectContaining({ code: "login_expired" }));
  });

  test("is found by its own state alone, with cookies or without", () => {
    const [jar, transactions] = [new Jar(), create()];
    begin(jar, transactions);
    const unknown = expect.objectContaining({ code: "login_not_found" });
    expect(() => take(jar, transactions, "another")).toThrow(unknown);
    expect(() => take(new Jar(), transactions, "another")).toThrow(unknown);
  });

  test("is not found under the name of another, nor by another portal, nor by another secret", () => {
    const [jar, transactions] = [new Jar(), create()];
    const [one, two] = [begin(jar, transactions), begin(jar, transactions)];
    const unknown = expect.objectContaining({ code: "login_not_found" });
    expect(() => take(jar, create({ belongsTo: "another" }), one)).toThrow(unknown);
    expect(() => take(jar, create({ secrets: [`${SECRET}x`] }), one)).toThrow(
      expect.objectContaining({ code: "login_secret_changed" }),
    );
    const [first = "", second = ""] = names(jar);
    jar.cookies = { [first]: jar.cookies[second] ?? "", [second]: jar.cookies[first] ?? "" };
    expect(() => take(jar, transactions, one)).toThrow(unknown);
    expect(() => take(jar, transactions, two)).toThrow(unknown);
  });

  test.each([
    [false, /^portal-login\.[\w-]{16}=[^;]+; Max-Age=600; Path=\/; HttpOnly; SameSite=Lax$/],
    [true, /^__Host-portal-login\.[\w-]{16}=[^;]+; Max-Age=600; Path=\/; HttpOnly; Secure; SameSite=Lax$/],
  ])("has its cookie (https: %s), and the same when it is spent", (https, line) => {
    const [jar, transactions] = [new Jar(), create({ https })];
    const state = begin(jar, transactions);
    expect(jar.lines).toEqual([expect.stringMatching(line)]);
    expect(take(jar, transactions, state).kind).toBe("begun");
    expect(jar.lines).toEqual([expect.stringMatching(line)]);
    now += 100_000;
    const taken = take(jar, transactions, state);
    expect([taken.kind, jar.lines]).toEqual(["spent", []]);
  });

  test("that is spent may lead elsewhere later, for the rest of its time", () => {
    const [jar, transactions] = [new Jar(), create()];
    const state = begin(jar, transactions);
    const taken = take(jar, transactions, state);
    if (taken.kind !== "begun") throw new Error("it was not begun");
    now += 60_500;
    jar.visit((_req, res) => transactions.redirectLater(res, taken.id, taken.transaction, "/welcome"));
    expect(jar.lines).toEqual([expect.stringMatching(/Max-Age=539; .*SameSite=Lax$/)]);
    expect(take(jar, transactions, state)).toEqual({ kind: "spent", return_to: "/welcome" });
  });
});

describe("the cookies of all logins", () => {
  test("stay below 4000 bytes, and as few are dropped as will do: the oldest, however they are ordered", () => {
    const [jar, transactions] = [new Jar(), create()];
    const begun: string[] = [];
    while (bytes(jar) < 3000) {
      begin(jar, transactions, { return_to: LONG });
      begun.push(names(jar).at(-1) ?? "");
      now += 1;
    }
    expect(jar.lines).toHaveLength(1); // nothing was dropped so far
    jar.cookies = Object.fromEntries(Object.entries(jar.cookies).reverse());
    begin(jar, transactions, { return_to: LONG });
    expect(names(jar)).not.toContain(begun[0]);
    expect(names(jar)).toEqual(expect.arrayContaining(begun.slice(1)));
    expect(bytes(jar)).toBeLessThanOrEqual(4000);
    expect(jar.lines[0]).toMatch(
      new RegExp(`^${begun[0]?.replace(".", "\\.")}=; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT; HttpOnly$`),
    );
  });

  test("may fill the 4000 bytes to the last one", () => {
    const [jar, transactions] = [new Jar(), create()];
    begin(jar, transactions, { return_to: LONG });
    const one = bytes(jar);
    // each letter of a wish takes four thirds of a byte in the cookie
    let length = Math.floor(((4000 - one - one) * 3) / 4) + LONG.length;
    for (; ; length -= 1) {
      const trial = new Jar();
      trial.cookies = { ...jar.cookies };
      begin(trial, transactions, { return_to: `/${"b".repeat(length)}` });
      if (names(trial).length === 2) {
        expect(bytes(trial)).toBeLessThanOrEqual(4000);
        expect(bytes(trial)).toBeGreaterThan(3996);
        break;
      }
    }
  });

  test("are cleared by a cookie that fits theirs, Secure over https", () => {
    const [jar, transactions] = [new Jar(), create({ https: true })];
    while (jar.lines.length < 2) begin(jar, transactions, { return_to: LONG });
    expect(jar.lines[0]).toMatch(
      /^__Host-portal-login\.[\w-]{16}=; Path=\/; Expires=Thu, 01 Jan 1970 00:00:00 GMT; HttpOnly; Secure$/,
    );
  });

  test("of those that are finished go before one that is older and waits", () => {
    const [jar, transactions] = [new Jar(), create()];
    const waiting = begin(jar, transactions, { return_to: LONG });
    now += 1000;
    take(jar, transactions, begin(jar, transactions, { return_to: LONG }));
    const [, finished = ""] = names(jar);
    while (names(jar).includes(finished)) begin(jar, transactions, { return_to: LONG });
    expect(take(jar, transactions, waiting).kind).toBe("begun");
  });

  test("that nobody can open go first, then the oldest", () => {
    const [jar, transactions] = [new Jar(), create()];
    const oldest = begin(jar, transactions, { return_to: LONG });
    const foreign = `portal-login.${"x".repeat(16)}`;
    jar.cookies[foreign] = "y".repeat(900);
    while (names(jar).includes(foreign)) begin(jar, transactions, { return_to: LONG });
    expect(take(jar, transactions, oldest).kind).toBe("begun");
  });

  test("are opened for two dozen at most: who sends more keeps nobody busy", () => {
    const [jar, transactions] = [new Jar(), create()];
    begin(jar, transactions);
    const planted = Array.from({ length: 24 }, (_, index) => `portal-login.${String(index).padStart(16, "x")}`);
    const [behind, ahead] = [Object.entries(jar.cookies), planted.map((name) => [name, "y".repeat(150)])];
    const opened = vi.spyOn(JSON, "parse");
    jar.cookies = Object.fromEntries([...ahead, ...behind]);
    begin(jar, transactions, { return_to: LONG });
    expect(opened).not.toHaveBeenCalled(); // the 25th is not looked at
    jar.cookies = Object.fromEntries([...ahead.slice(1), ...behind]);
    begin(jar, transactions, { return_to: LONG });
    expect(opened).toHaveBeenCalledOnce(); // the 24th is
  });

  test("are alone in this: what an app keeps in its own is neither counted nor cleared", () => {
    const [jar, transactions] = [new Jar(), create()];
    const state = begin(jar, transactions);
    const own = {
      "portal-session": "s%3Aabc",
      "my-portal-login.0123456789abcdef": "a".repeat(3000),
      "portal-login.0123456789abcdef0": "b".repeat(3000),
      "portal-loginx0123456789abcdef": "c".repeat(3000),
    };
    Object.assign(jar.cookies, own);
    begin(jar, transactions, { return_to: LONG });
    expect(jar.lines).toHaveLength(1);
    expect(jar.cookies).toMatchObject(own);
    expect(take(jar, transactions, state).kind).toBe("begun");
  });
});
