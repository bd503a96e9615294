import type { RequestListener } from "node:http";
import { expect } from "vitest";
import { serve } from "../support/serve.js";
import {
  CANARY,
  type Case,
  describeAttacks,
  describeAttacksOnCluster,
  type Outcome,
  signIn,
  type World,
} from "./support/attack.js";
import { rawRequest, sendRaw } from "./support/client.js";

// The steps between a user and the application: forms saved during a login, session status for pages, forged
// requests, and the proxy to an API. On one process and on four.

const VICTIM = "amara-okafor";
const plain = {
  options: { scope: "openid", routes: { session: "/session" }, sessionClaims: ["sub"] },
} as const;

type Form = Record<string, string>;

/**
 * The victim posts a form after the session has ended, and logs in. Returns the page that offers to send it.
 */
async function interrupted(
  { victim, base }: World,
  form: Form = { item: "tea" },
  site: "same-origin" | "cross-site" = "same-origin",
) {
  const answer = await victim.navigate(`${base}/order`, { method: "POST", site, form });
  const on = String(answer.headers["refresh"] ?? "").replace(/^0; ?url=/, "");
  return on === "" ? answer : victim.visit(on, { site: "cross-site" });
}

const press = ({ victim, base }: World, form: Form, query = "") =>
  victim.navigate(`${base}/login/form${query}`, { method: "POST", site: "same-origin", form });

const follow = async ({ victim, url }: World, to: string | undefined, form: Form) =>
  victim.navigate(new URL(to ?? "/nowhere", url), { method: "POST", site: "same-origin", form });

const ordered = async ({ victim, base }: World): Promise<object[]> => {
  const all: object[] = [];
  // of each process
  for (let n = 0; n < 8; n += 1) all.push(...JSON.parse((await victim.fetch(`${base}/orders`)).body));
  return all;
};

const nothingOrdered: Outcome = async (_answer, world) => void expect(await ordered(world)).toEqual([]);

const forms: readonly Case[] = [
  {
    ...plain,
    name: "a form is sent once, however often each button is pressed",
    source: "guide, session expiry",
    async attack(world) {
      const form = { item: "tea" };
      const page = await interrupted(world, form);
      expect([page.status, page.body.includes('name="item" value="tea"')]).toEqual([200, true]);
      const sends = await Promise.all([press(world, form), press(world, form), press(world, form)]);
      const answers = await Promise.all(sends.map(({ headers }) => follow(world, headers.location, form)));
      return answers[0] as (typeof answers)[number];
    },
    outcome: async (_answer, world) =>
      void expect(await ordered(world)).toEqual([{ sub: VICTIM, item: "tea" }]),
  },
  {
    ...plain,
    name: "another site's form is not saved",
    source: "OWASP CSRF",
    async attack(world) {
      const answer = await interrupted(world, { item: "bomb" }, "cross-site");
      await signIn(world);
      expect((await world.victim.visit(`${world.base}/login/form`)).body).not.toContain("bomb");
      return answer;
    },
    outcome: async (answer, world) => {
      expect(answer.status).toBe(401);
      await nothingOrdered(answer, world);
    },
  },
  {
    ...plain,
    name: "another user does not see an attacker's form",
    source: "CWE-639",
    async attack(world) {
      const { attacker, base, victim } = world;
      attacker.person = { sub: "jonas-weber" };
      const kept = await attacker.navigate(`${base}/order`, {
        method: "POST",
        site: "same-origin",
        form: { item: "bomb" },
      });
      await attacker.visit(String(kept.headers["refresh"] ?? "").replace(/^0; ?url=/, ""), {
        site: "cross-site",
      });
      await signIn(world);
      await press(world, { item: "bomb" });
      return victim.visit(`${base}/login/form`);
    },
    outcome: async (answer, world) => {
      expect(answer.body).not.toContain("bomb");
      await nothingOrdered(answer, world);
    },
  },
  {
    ...plain,
    name: "the values of a form stay text on the page",
    source: "CWE-79",
    attack: (world) =>
      interrupted(world, { '"><script>alert(1)</script>': "'\"><img src=x onerror=alert(1)>" }),
    outcome: ({ body, headers }) => {
      expect(body).not.toMatch(/<script|<img/);
      expect(headers["content-security-policy"]).toContain("default-src 'none'");
    },
  },
  {
    ...plain,
    name: "a form that the user discards is not sent",
    source: "guide, session expiry",
    async attack(world) {
      await interrupted(world);
      await press(world, {}, "?discard");
      return press(world, { item: "tea" });
    },
    outcome: nothingOrdered,
  },
  {
    ...plain,
    name: "a form over 64 KiB is not saved",
    source: "CWE-400",
    attack: (world) => interrupted(world, { item: "x".repeat(65 * 1024) }),
    outcome: async (answer, world) => {
      expect(answer.status).toBe(401);
      await nothingOrdered(answer, world);
    },
  },
  {
    ...plain,
    name: "files are not saved",
    source: "guide, session expiry",
    attack: ({ victim, base }) =>
      victim.navigate(`${base}/order`, {
        method: "POST",
        site: "same-origin",
        form: { item: "tea" },
        headers: { "content-type": "multipart/form-data; boundary=x" },
      }),
    outcome: ({ status }) => void expect(status).toBe(401),
  },
];

const state: readonly Case[] = [
  {
    ...plain,
    name: "a visitor learns nothing",
    source: "guide, session expiry",
    attack: ({ attacker, base }) => attacker.fetch(`${base}/session`),
    outcome: ({ status, body, headers }) => {
      expect([status, body, headers["set-cookie"]]).toEqual([200, '{"isAuthenticated":false}', undefined]);
    },
  },
  {
    ...plain,
    name: "a page learns only what the options allow, and another site learns nothing",
    source: "Fetch Standard, CORS protocol",
    async attack(world) {
      await signIn(world);
      const headers = { origin: "https://evil.example" };
      return world.victim.fetch(`${world.base}/session`, { site: "cross-site", headers });
    },
    outcome({ status, body, headers }) {
      expect([status, headers["access-control-allow-origin"], headers["cache-control"]]).toEqual([
        200,
        undefined,
        "no-store",
      ]);
      expect(headers["cross-origin-resource-policy"]).toBe("same-origin");
      expect(body).not.toMatch(/token"?:"|email|nonce/);
    },
  },
  ...["POST", "PUT", "DELETE"].map(
    (method): Case => ({
      ...plain,
      name: `${method} is not one of our routes`,
      source: "RFC 9110, section 9",
      attack: ({ victim, base }) => victim.fetch(`${base}/session`, { method }),
      outcome: ({ status }) => void expect(status).toBe(404),
    }),
  ),
];

const forged = (
  name: string,
  headers: Record<string, string>,
  site?: "cross-site" | "same-site" | "none",
): Case => ({
  ...plain,
  name,
  source: "OWASP CSRF; Fetch Metadata Request Headers, section 2.3",
  async attack(world) {
    await signIn(world);
    const { victim, base } = world;
    if (site) return victim.fetch(`${base}/own`, { method: "POST", site, headers });
    return victim.request(`${base}/own`, { method: "POST", headers });
  },
  outcome: async ({ status, body }, { signedInUser, victim }) => {
    expect([status, body.includes("cross_site_refused"), await signedInUser(victim)]).toEqual([
      403,
      true,
      VICTIM,
    ]);
  },
});

const forgeries: readonly Case[] = [
  forged("a script of another site", {}, "cross-site"),
  forged("a page of a sibling below the same domain", {}, "same-site"),
  forged("a page without an origin", {}, "none"),
  forged("no header about its origin", {}),
  forged("an origin of null", { origin: "null" }),
  forged("another origin", { origin: "https://evil.example" }),
  forged("an origin that starts like ours", { origin: "http://127.0.0.1.evil.example" }),
  forged("two values for the site", { "sec-fetch-site": "same-origin, cross-site" }),
  forged("a header with no value", { "x-csrf": "" }, "cross-site"),
  forged("a method override header", { "x-http-method-override": "GET" }, "cross-site"),
  {
    ...plain,
    name: "a page of this site is allowed",
    source: "guide, single-page apps",
    async attack(world) {
      await signIn(world);
      return world.victim.fetch(`${world.base}/own`, { method: "POST" });
    },
    outcome: ({ status, body }) => void expect([status, body]).toEqual([200, "in"]),
  },
];

interface Seen {
  readonly url: string | undefined;
  readonly headers: Record<string, unknown>;
}
const seen: Seen[] = [];
let answer: RequestListener = (_req, res) => void res.end("ok");
const origin = await serve((req, res) => {
  seen.push({ url: req.url, headers: req.headers });
  answer(req, res);
});
const upstream = `${origin}/v1`;

/** The victim calls the API, which responds like this. */
const api = (
  name: string,
  given: Partial<Case> & { readonly says?: RequestListener; readonly path?: string; readonly ask?: object },
): Case => ({
  ...plain,
  name,
  source: "RFC 9110, section 7.6; OWASP API Security Top 10",
  get app() {
    return { upstream };
  },
  async attack(world) {
    seen.length = 0;
    answer = given.says ?? ((_req, res) => void res.end("ok"));
    await signIn(world);
    return world.victim.fetch(`${world.base}/api${given.path ?? "/things"}`, given.ask ?? {});
  },
  outcome: ({ status }) => void expect(status).toBeLessThan(400),
  ...given,
});

const refusedPath = (path: string): Case =>
  api(`the path ${path}`, {
    source: "CWE-22; CWE-444",
    async attack(world) {
      seen.length = 0;
      await signIn(world);
      const cookie = await world.victim.jar.getCookieString(world.url);
      return sendRaw(world.victim, world.appUrl, rawRequest(`GET ${path} HTTP/1.1`, [`Cookie: ${cookie}`]));
    },
    outcome({ status }) {
      expect(status).toBeGreaterThanOrEqual(400);
      expect(seen).toEqual([]);
    },
  });

const proxied: readonly Case[] = [
  api("receives the token, and neither a cookie nor a header of the page", {
    ask: {
      headers: { authorization: "Bearer stolen", "x-forwarded-for": "1.2.3.4", "proxy-authorization": "x" },
    },
    outcome({ status }, { provider }) {
      expect(status).toBe(200);
      const [{ headers, url } = { headers: {}, url: "" }] = seen;
      expect(url).toBe("/v1/things");
      expect(provider.issued.some((token) => headers["authorization"] === `Bearer ${token}`)).toBe(true);
      for (const name of ["cookie", "origin", "sec-fetch-site", "proxy-authorization"])
        expect(headers).not.toHaveProperty(name);
      expect(headers["x-forwarded-for"]).not.toContain("1.2.3.4");
    },
  }),
  api("cannot set a cookie, open CORS, request a password, or clear the site's data", {
    says(_req, res) {
      res.setHeader("set-cookie", ["portal-session=evil; Path=/", "a=b"]);
      res.setHeader("access-control-allow-origin", "*");
      res.setHeader("clear-site-data", '"cookies"');
      res.setHeader("strict-transport-security", "max-age=1");
      res.end("ok");
    },
    async outcome({ status, headers }, { signedInUser, victim }) {
      expect([status, headers["set-cookie"], headers["access-control-allow-origin"]]).toEqual([
        200,
        undefined,
        undefined,
      ]);
      expect([headers["clear-site-data"], headers["strict-transport-security"]]).toEqual([
        undefined,
        undefined,
      ]);
      expect(await signedInUser(victim)).toBe(VICTIM);
    },
  }),
  api("that redirects to another host does not receive the token there", {
    says: (_req, res) => void res.writeHead(302, { location: "https://evil.example/" }).end(),
    outcome: () => void expect(seen).toHaveLength(1),
  }),
  api("that responds 401 causes one refresh and one retry", {
    says: (_req, res) => void res.writeHead(401, { "www-authenticate": "Basic" }).end(CANARY.slice(0, 5)),
    outcome({ status, headers }, { requestsTo }) {
      expect([status, headers["www-authenticate"], seen.length]).toEqual([401, 'Bearer realm="portal"', 2]);
      expect(requestsTo("/oauth2/token")).toHaveLength(2);
    },
  }),
  api("that closes its connection early leads to an error, and the process continues", {
    says: (_req, res) => void res.destroy(),
    outcome: ({ status, body }) =>
      void expect([status, JSON.parse(body).code]).toEqual([502, "upstream_unreachable"]),
  }),
  api("receives no request from another site", {
    ask: { method: "POST", site: "cross-site" },
    outcome({ status }) {
      expect([status, seen]).toEqual([403, []]);
    },
  }),
  api("receives no request from a visitor", {
    attack: ({ attacker, base }) => {
      seen.length = 0;
      return attacker.fetch(`${base}/api/things`);
    },
    outcome({ status }) {
      expect([status, seen]).toEqual([401, []]);
    },
  }),
  ...[
    "/api/../account",
    "/api/%2e%2e/account",
    "/api/..%2faccount",
    "/api/%2E%2E%5Caccount",
    "/api//evil.example/x",
    "/api/\\evil.example",
    "/api/a/%00",
    "/api/x%2f..%2f..%2fadmin",
    "/api/;/../x",
  ].map(refusedPath),
];

for (const run of [describeAttacks, describeAttacksOnCluster]) {
  run("saves a form during a login", forms);
  run("reports the status of a session to pages", state);
  run("rejects a forged request", forgeries);
}
describeAttacks("an API behind the proxy", proxied);
