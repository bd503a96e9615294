import session from "express-session";
import { describe, expect, test, vi } from "vitest";
import { stripDiagnostics } from "../../lib/login-attempt/state-diagnostics.js";
import { Browser } from "../support/browser.js";
import { advanceDate } from "../support/fake-time.js";
import { SESSION_SECRET, startWorld, type WorldOptions } from "../support/world.js";

// Each cause of a lost login has a code of its own.

const FIREFOX = { "user-agent": "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0" };
const WECHAT = {
  "user-agent": "Mozilla/5.0 (iPhone) AppleWebKit/605.1.15 Mobile/15E148 MicroMessenger/8.0.66",
};
const VISITED = "visited=yes";
const OURS = "portal-login.of-an-earlier-try=x";
const PROBE = "portal-probe=1";
const HTTPS = { "x-forwarded-proto": "https" };
const PUBLIC = "https://app.example";

interface Case {
  world?: WorldOptions;
  /** The request to /login, and how the browser comes back. */
  there: Record<string, string>;
  back: Record<string, string>;
  site?: "cross-site" | "none";
  /** How much later the browser comes back. */
  minutes?: number;
  /** The fate of the login's cookie. By default it does not come back. */
  cookie?: (value: string) => string;
  state?: (state: string) => string;
}

/** The secret that replaces the random one. */
const another = (letter: string | undefined): string => (letter === "A" ? "B" : "A");

const CASES: [string, Case][] = [
  ["login_cookies_blocked", { there: FIREFOX, back: FIREFOX }],
  ["login_cookies_strict", { there: { ...FIREFOX, cookie: VISITED }, back: FIREFOX, site: "cross-site" }],
  ["login_cookie_lost", { there: { ...FIREFOX, cookie: VISITED }, back: { ...FIREFOX, cookie: VISITED } }],
  ["login_cookie_lost", { there: FIREFOX, back: { ...FIREFOX, cookie: VISITED } }],
  ["login_cookie_lost", { there: { ...FIREFOX, cookie: VISITED }, back: FIREFOX, site: "none" }],
  ["login_cookie_lost", { there: FIREFOX, back: FIREFOX, cookie: (value) => `${value.slice(0, -1)}` }],
  [
    "login_on_other_host",
    { there: { ...FIREFOX, host: "www.app.example" }, back: { ...FIREFOX, cookie: VISITED } },
  ],
  ["login_on_other_host", { there: { ...FIREFOX, "x-forwarded-host": "www.app.example" }, back: FIREFOX }],
  // Cookies ignore ports.
  ["login_cookies_blocked", { there: { ...FIREFOX, host: "127.0.0.1:1" }, back: FIREFOX }],
  [
    "login_in_frame",
    { there: { ...FIREFOX, "sec-fetch-dest": "iframe" }, back: { ...FIREFOX, cookie: VISITED } },
  ],
  ["login_in_frame", { there: FIREFOX, back: { ...FIREFOX, "sec-fetch-dest": "iframe" } }],
  ["login_cookies_strict", { there: { ...FIREFOX, cookie: OURS }, back: { ...FIREFOX, cookie: VISITED } }],
  ["login_cookie_changed", { there: { ...FIREFOX, cookie: PROBE }, back: { ...FIREFOX, cookie: PROBE } }],
  ["login_cookies_strict", { there: { ...FIREFOX, cookie: PROBE }, back: FIREFOX }],
  ["login_cookies_blocked", { there: FIREFOX, back: { ...FIREFOX, cookie: PROBE } }],
  ["login_in_other_browser", { there: { ...FIREFOX, cookie: VISITED }, back: WECHAT }],
  ["login_in_other_browser", { there: FIREFOX, back: { ...WECHAT, cookie: VISITED } }],
  ["login_expired", { there: FIREFOX, back: FIREFOX, minutes: 10 }],
  ["login_expired", { there: FIREFOX, back: WECHAT, minutes: 11 }],
  ["login_not_found", { there: FIREFOX, back: FIREFOX, state: stripDiagnostics }],
  [
    "login_not_found",
    { there: FIREFOX, back: FIREFOX, state: (state) => another(state[0]) + state.slice(1) },
  ],
  [
    "login_not_found",
    { there: FIREFOX, back: FIREFOX, state: (state) => state.slice(0, -1) + another(state.at(-1)) },
  ],
  ["login_not_found", { there: FIREFOX, back: FIREFOX, state: (state) => state + state }],
  [
    "login_over_http",
    {
      world: { publicOrigin: PUBLIC, ...createAppSession() },
      there: FIREFOX,
      back: { ...FIREFOX, ...HTTPS },
    },
  ],
  [
    "login_cookies_blocked", // a proxy that does not report https, so http proves nothing
    { world: { publicOrigin: PUBLIC, ...createAppSession() }, there: FIREFOX, back: FIREFOX },
  ],
  [
    "login_cookies_blocked",
    {
      world: { publicOrigin: PUBLIC, ...createAppSession() },
      there: { ...FIREFOX, ...HTTPS },
      back: { ...FIREFOX, ...HTTPS },
    },
  ],
];

/** A session whose cookie is not Secure, so that /login over http is not rejected before it starts. */
function createAppSession(): WorldOptions {
  const cookie = { secure: false, sameSite: "lax" } as const;
  const ownSession = session({ secret: SESSION_SECRET, resave: false, saveUninitialized: false, cookie });
  return { before: (app) => void app.use(ownSession) };
}

test.each(CASES)(
  "a lost login gets the code %s, case %#",
  async (code, { world, there, back, site = "cross-site", minutes = 0, ...changed }) => {
    const { url } = await startWorld({
      ...world,
      log: [new RegExp(code), /begins at the host www\.app\.example/],
    });
    const browser = new Browser();
    const begun = await new Browser().navigate(`${url}/login`, { headers: there });
    const state = new URL(begun.headers.location ?? "").searchParams.get("state") ?? "";
    const [, name = "", value = ""] = /^([^=]+)=([^;]+)/.exec(String(begun.headers["set-cookie"])) ?? [];
    if (minutes > 0) advanceDate(minutes * 60_000);
    const cookie = changed.cookie ? { cookie: `${name}=${changed.cookie(value)}` } : {};
    const query = new URLSearchParams({ code: "x", state: changed.state?.(state) ?? state });
    const answer = await browser.navigate(`${url}/callback?${query}`, {
      headers: { ...back, ...cookie },
      site,
    });
    vi.useRealTimers();
    expect([
      answer.status,
      /login_\w+/.exec(/<footer>.*<\/footer>/.exec(answer.body)?.[0] ?? "")?.[0],
    ]).toEqual([400, code]);
  },
);

describe("the state", () => {
  test("is random, and reveals nothing about the browser", async () => {
    const { url } = await startWorld();
    const stateOf = async (headers: Record<string, string>) => {
      const { headers: answered } = await new Browser().navigate(`${url}/login`, { headers });
      return new URL(answered.location ?? "").searchParams.get("state") ?? "";
    };
    const one = await stateOf(FIREFOX);
    const two = await stateOf(FIREFOX);
    expect(one).toMatch(/^[\w-]{67}$/);
    expect(one.slice(0, 43)).not.toBe(two.slice(0, 43));
    const marks = new Set<string>();
    for (const secret of ["a".repeat(32), "b".repeat(32), "c".repeat(32)]) {
      const other = await startWorld({ options: { secret } });
      const { headers } = await new Browser().navigate(`${other.url}/login`, { headers: FIREFOX });
      const state = new URL(headers.location ?? "").searchParams.get("state") ?? "";
      marks.add(Buffer.from(state.slice(43), "base64url").subarray(5, 7).toString("hex"));
    }
    expect(marks.size).toBeGreaterThan(1);
  });

  test("belongs to no login if its facts were changed", async () => {
    const { url, browser } = await startWorld({ log: [/login_/] });
    const callback = await browser.loginUntilCallback(`${url}/account`);
    const state = callback.searchParams.get("state") ?? "";
    callback.searchParams.set("state", stripDiagnostics(state));
    const refused = await browser.navigate(callback);
    expect([refused.body.includes("login_not_found"), refused.headers["set-cookie"]]).toEqual([
      true,
      undefined,
    ]);
    callback.searchParams.set("state", state);
    expect((await browser.navigate(callback)).status).toBe(303);
  });
});
