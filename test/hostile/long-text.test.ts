import type { Request } from "express";
import express from "express";
import { describe, expect, test } from "vitest";
import { createChooseWords } from "../../lib/answer/choose-words.js";
import { isPrefetch, isUserNavigation, shouldSendPage } from "../../lib/answer/client-kind.js";
import { renderPage } from "../../lib/answer/page-html.js";
import { redactError, redactSecrets } from "../../lib/errors/redact.js";
import { parseCacheControl } from "../../lib/http/cache-control.js";
import { normalizePath } from "../../lib/http/external-url.js";
import { readQuery } from "../../lib/http/parameters.js";
import { describeForwarding, isProbablyHttps } from "../../lib/http/request-scheme.js";
import { isSafeUrl } from "../../lib/http/safe-url.js";
import { sanitizeReturnTo } from "../../lib/http/sanitize-return-to.js";
import { isOwnRoute } from "../../lib/login/is-own-route.js";
import { readSilentLoginState } from "../../lib/login/silent-login-cookie.js";
import { parseStrengthQuery } from "../../lib/login-attempt/login-strength.js";
import { parseDevice } from "../../lib/logout/parse-device.js";
import { cleanDescription } from "../../lib/provider/clean-description.js";
import { toPrintable } from "../../lib/provider/explain-failure.js";
import { filterResponseHeaders } from "../../lib/proxy/forwarded-headers.js";
import { buildUpstreamUrl, rewriteLocation } from "../../lib/proxy/upstream-url.js";
import { shortenUserAgent } from "../../lib/session/login-record.js";
import { DEFAULTS } from "../../lib/settings/option-table.js";
import { createEncryption } from "../../lib/util/encryption.js";
import { toSingleLine } from "../../lib/util/to-single-line.js";
import { startWorld } from "../support/world.js";

// A regular expression with quadratic time blocks the whole process while it reads a long text from outside.
// The tests compare the CPU times for a text and for a text of twice its length. A ratio of 2 is linear, a
// ratio of 4 is quadratic.

const LENGTH = 32_000;
/** CPU time below this is noise. A quadratic expression needs seconds for such texts. */
const NOISE_MS = 40;
/** Halfway between linear and quadratic. */
const MAX_RATIO = 3;

const chooseWords = createChooseWords({});
const registered = {
  redirectUri: "https://app.example/callback",
  routes: { ...DEFAULTS.routes, session: false, form: "/login/form" },
} as const;
const encryption = createEncryption(["0123456789abcdef0123456789abcdef"], "test");
const app = express();
const upstream = new URL("https://api.example/v1");

const withHeaders = (headers: Record<string, string>, url = "/"): Request =>
  Object.setPrototypeOf({ headers, url, method: "GET", app, socket: {} }, express.request);

/** Every function of lib/ that applies a pattern to text from a browser, a provider, a store or a hook. */
const READERS: [name: string, read: (text: string) => unknown][] = [
  ["redactError", (text) => redactError(new Error(text))],
  ["redactSecrets", (text) => redactSecrets(text)],
  ["toSingleLine", toSingleLine],
  ["toPrintable", toPrintable],
  ["sanitizeReturnTo", (text) => sanitizeReturnTo(`/${text}`)],
  ["isOwnRoute", (text) => isOwnRoute(registered, "", `/${text}`)],
  ["normalizePath", normalizePath],
  ["isSafeUrl", (text) => isSafeUrl(`http://127.${text}`)],
  [
    "parseStrengthQuery",
    (text) => parseStrengthQuery(new URLSearchParams({ max_age: text, acr_values: text })),
  ],
  ["readQuery", (text) => readQuery(withHeaders({}, `/?${text}`))],
  ["shouldSendPage", (text) => shouldSendPage(withHeaders({ accept: text }))],
  ["isPrefetch", (text) => isPrefetch(withHeaders({ purpose: text }))],
  [
    "isUserNavigation",
    (text) => isUserNavigation(withHeaders({ "user-agent": text, "sec-fetch-mode": text })),
  ],
  ["isProbablyHttps", (text) => isProbablyHttps(withHeaders({ "x-forwarded-proto": text }))],
  [
    "describeForwarding",
    (text) => describeForwarding(withHeaders({ forwarded: text, "x-forwarded-ssl": text })),
  ],
  ["createChooseWords", (text) => chooseWords(withHeaders({ "accept-language": text }))],
  [
    "readSilentLoginState",
    (text) => readSilentLoginState(withHeaders({ cookie: text }), { name: undefined, https: true }),
  ],
  ["parseDevice", (text) => parseDevice(shortenUserAgent(text))],
  [
    "renderPage",
    (text) => renderPage({ lang: "en", title: text, text, actions: [], footnote: text } as never),
  ],
  ["parseCacheControl", (text) => [`a${text}\0`, `a=${text}"`, `a="${text}`].map(parseCacheControl)],
  [
    "filterResponseHeaders",
    (text) => filterResponseHeaders({ link: `<a>; rel${text}`, connection: text }, new Set()),
  ],
  ["buildUpstreamUrl", (text) => buildUpstreamUrl(upstream, { rest: `/${text}`, search: `?${text}` })],
  ["rewriteLocation", (text) => rewriteLocation(text, upstream, upstream, "/api")],
  ["cleanDescription", (text) => cleanDescription(text, ["a", "a b"])],
  ["decrypt", (text) => encryption.decrypt(text)],
];

const UNITS = [
  ...[
    ":",
    "/",
    ":/",
    "://",
    "@",
    ":@",
    '"',
    "'",
    " ",
    "\t",
    "\r",
    "\n",
    "\0",
    "?",
    "#",
    "\\",
    "%",
    "%2",
    "-",
    "=",
    "<",
  ],
  ...[
    "\u001b",
    "\u001b[",
    "\u001b];a",
    "\u009b1;",
    ";",
    ";q=0.",
    ",",
    ".",
    "a",
    "a.",
    "a=",
    "a=a;",
    "a,",
    "a-",
    "0",
  ],
  ...["token=", "a_", "en-", "Mozilla/5.0 (", "Version/1 ", "\u2028", "\ud800"],
];
const BEGINNINGS = ["", ":", "\u001b]", "http://", "token=", "Mozilla/5.0 ("];
const ENDS = ["", "!", "@", "\n"];

const textsOf = (length: number): string[] =>
  UNITS.flatMap((unit) =>
    BEGINNINGS.flatMap((begin) => ENDS.map((end) => begin + unit.repeat(length / unit.length) + end)),
  );

async function cpuMs(read: (text: string) => unknown, text: string): Promise<number> {
  const before = process.cpuUsage();
  await read(text);
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

/** Returns the minimum of several measurements. Garbage collection and compilation add to the others. */
async function minimumOf(measure: () => Promise<number>): Promise<number> {
  const times: number[] = [];
  for (let count = 0; count < 3; count++) times.push(await measure());
  return Math.min(...times);
}

/** Returns whether the CPU times for these two texts indicate linear time. */
async function isLinear(read: (text: string) => unknown, text: string, twice: string): Promise<boolean> {
  if ((await cpuMs(read, twice)) < NOISE_MS) return true;
  const time = await minimumOf(() => cpuMs(read, text));
  return (await minimumOf(() => cpuMs(read, twice))) < Math.max(NOISE_MS, MAX_RATIO * time);
}

describe("reads a long text from outside in linear time", () => {
  const texts = textsOf(LENGTH);
  const longer = textsOf(2 * LENGTH);

  test.each(READERS)("in %s", async (_name, read) => {
    for (const [index, text] of texts.entries()) {
      const isLinearTime = await isLinear(read, text, longer[index] as string);
      expect(isLinearTime, JSON.stringify(`${text.slice(0, 20)}…${text.slice(-20)}`)).toBe(true);
    }
  });

  test("recognizes a quadratic pattern", async () => {
    const quadratic = (text: string) => text.replace(/:[^\s"]*@/g, "");
    expect(await isLinear(quadratic, ":".repeat(LENGTH / 4), ":".repeat(LENGTH / 2))).toBe(false);
  });
});

describe("cuts an error message before it redacts secrets", () => {
  test("a hook that fails with a message of 200,000 characters does not delay the response", async () => {
    const { browser, url, log } = await startWorld({
      log: [/hook_failed/],
      options: {
        hooks: {
          onLogin() {
            throw new Error(":/".repeat(100_000));
          },
        },
      },
    });
    const answer = await browser.visit(`${url}/account`);
    expect(answer.status).toBe(500);
    expect(log.join("").length).toBeLessThan(2000);
  });

  test("the cut text does not change the result", () => {
    const text = "cannot reach the store ".repeat(100);
    expect(redactSecrets(text + ":".repeat(2 * LENGTH))).toBe(redactSecrets(text));
  });

  test.each([1980, 1985, 1990, 1995, 2000, 2005])("no part of a secret remains at the cut (%i)", (length) => {
    const secrets = "redis://default:hunter2hunter2@cache token=geheim";
    const text = `${"a ".repeat(length / 2)}${secrets} ${"z".repeat(40)}`;
    const redacted = redactSecrets(text, 4000);
    expect(redacted).not.toMatch(/hunt|gehe|zz/);
  });
});

test.each([
  ["cannot reach redis://default:hunter2@cache:6379", "cannot reach redis://[…]@cache:6379"],
  [
    "a password with @ and / in it: postgres://app:p@ss/w@db/orders",
    "a password with @ and / in it: postgres://[…]@db/orders",
  ],
  ['"amqp://a:b@mq" and "amqp://c:d@mq"', '"amqp://[…]@mq" and "amqp://[…]@mq"'],
  ["no URL: user@example.com is unknown", "no URL: user@example.com is unknown"],
  ["connect ECONNREFUSED 127.0.0.1:5432", "connect ECONNREFUSED 127.0.0.1:5432"],
  ["POST /token?client_secret=s3cret&code=abc&x=1", "POST /token?client_secret=[…]&code=[…]&x=1"],
  ["refused: access_token=short, error_code=5", "refused: access_token=[…], error_code=5"],
  [`the key ${"k".repeat(24)} is unknown`, "the key […] is unknown"],
])("redactSecrets(%j) leaves no secret", (text, redacted) => {
  expect(redactSecrets(text)).toBe(redacted);
});

test.each([
  [new Error("plain"), "Error: plain"],
  [Object.assign(new Error("x"), { message: { toString: null } }), "Error: "],
  [Object.assign(new Error("x"), { name: Symbol("odd") }), "Error: x"],
  ["thrown as it is: geheim", "string"],
  [undefined, "undefined"],
])("redactError() accepts any thrown value (%#)", (thrown, described) => {
  expect(redactError(thrown)).toBe(described);
});
