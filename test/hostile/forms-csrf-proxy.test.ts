import type { RequestListener } from "node:http";
import { expect } from "vitest";
import type { Answer } from "../support/browser.js";
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

// Saved forms, the session status for pages, forged requests, and the proxy to an API. On one process and on
// four.

const VICTIM = "amara-okafor";
const setting = {
  options: { scope: "openid", routes: { session: "/session" }, sessionClaims: ["sub"] },
} as const;

type Form = Record<string, string>;

/** Posts a form without a session, and signs the victim in. Returns the page that offers to send the form. */
async function interruptForm(
  { victim, base }: World,
  form: Form = { item: "tea" },
  site: "same-origin" | "cross-site" = "same-origin",
) {
  const answer = await victim.navigate(`${base}/order`, { method: "POST", site, form });
  const next = refreshTarget(answer);
  return next === "" ? answer : victim.visit(next, { site: "cross-site" });
}

/** Returns the URL at which a page continues automatically. */
const refreshTarget = ({ headers }: Answer) => String(headers["refresh"] ?? "").replace(/^0; ?url=/, "");

/** Presses a button of the page that offers to send a saved form. */
const pressButton = ({ victim, base }: World, form: Form, query = "") =>
  victim.navigate(`${base}/login/form${query}`, { method: "POST", site: "same-origin", form });

/** Posts the form to the URL of a redirect, as a browser does after a 307. */
const followRedirect = async ({ victim, url }: World, location: string | undefined, form: Form) =>
  victim.navigate(new URL(location ?? "/nowhere", url), { method: "POST", site: "same-origin", form });

/** Returns the forms that the app has received. */
const receivedOrders = async ({ victim, base }: World): Promise<object[]> => {
  const orders: object[] = [];
  // several requests, because each of several processes has a list of its own
  for (let count = 0; count < 8; count += 1)
    orders.push(...JSON.parse((await victim.fetch(`${base}/orders`)).body));
  return orders;
};

const noOrder: Outcome = async (_answer, world) => void expect(await receivedOrders(world)).toEqual([]);

const forms: readonly Case[] = [
  {
    ...setting,
    name: "a form is sent once if its button is pressed several times",
    source: "guide, session expiry",
    async attack(world) {
      const form = { item: "tea" };
      const page = await interruptForm(world, form);
      expect([page.status, page.body.includes('name="item" value="tea"')]).toEqual([200, true]);
      const sends = await Promise.all([
        pressButton(world, form),
        pressButton(world, form),
        pressButton(world, form),
      ]);
      const answers = await Promise.all(
        sends.map(({ headers }) => followRedirect(world, headers.location, form)),
      );
      return answers[0] as (typeof answers)[number];
    },
    outcome: async (_answer, world) =>
      void expect(await receivedOrders(world)).toEqual([{ sub: VICTIM, item: "tea" }]),
  },
  {
    ...setting,
    name: "another site's form is not saved",
    source: "OWASP CSRF",
    async attack(world) {
      const answer = await interruptForm(world, { item: "bomb" }, "cross-site");
      await signIn(world);
      expect((await world.victim.visit(`${world.base}/login/form`)).body).not.toContain("bomb");
      return answer;
    },
    outcome: async (answer, world) => {
      expect(answer.status).toBe(401);
      await noOrder(answer, world);
    },
  },
  {
    ...setting,
    name: "a saved form is not shown to another user",
    source: "CWE-639",
    async attack(world) {
      const { attacker, base, victim } = world;
      attacker.user = { sub: "jonas-weber" };
      const saved = await attacker.navigate(`${base}/order`, {
        method: "POST",
        site: "same-origin",
        form: { item: "bomb" },
      });
      await attacker.visit(refreshTarget(saved), { site: "cross-site" });
      await signIn(world);
      await pressButton(world, { item: "bomb" });
      return victim.visit(`${base}/login/form`);
    },
    outcome: async (answer, world) => {
      expect(answer.body).not.toContain("bomb");
      await noOrder(answer, world);
    },
  },
  {
    ...setting,
    name: "names and values of a form are text on the page",
    source: "CWE-79",
    attack: (world) =>
      interruptForm(world, { '"><script>alert(1)</script>': "'\"><img src=x onerror=alert(1)>" }),
    outcome: ({ body, headers }) => {
      expect(body).not.toMatch(/<script|<img/);
      expect(headers["content-security-policy"]).toContain("default-src 'none'");
    },
  },
  {
    ...setting,
    name: "a form that the user discards is not sent",
    source: "guide, session expiry",
    async attack(world) {
      await interruptForm(world);
      await pressButton(world, {}, "?discard");
      return pressButton(world, { item: "tea" });
    },
    outcome: noOrder,
  },
  {
    ...setting,
    name: "a form over 64 KiB is not saved",
    source: "CWE-400",
    attack: (world) => interruptForm(world, { item: "x".repeat(65 * 1024) }),
    outcome: async (answer, world) => {
      expect(answer.status).toBe(401);
      await noOrder(answer, world);
    },
  },
  {
    ...setting,
    name: "a form with files is not saved",
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

const statusCases: readonly Case[] = [
  {
    ...setting,
    name: "a visitor gets only isAuthenticated: false",
    source: "guide, session expiry",
    attack: ({ attacker, base }) => attacker.fetch(`${base}/session`),
    outcome: ({ status, body, headers }) => {
      expect([status, body, headers["set-cookie"]]).toEqual([200, '{"isAuthenticated":false}', undefined]);
    },
  },
  {
    ...setting,
    name: "a page gets only the configured claims, and a page of another site cannot read the response",
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
      ...setting,
      name: `${method} is not handled`,
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
  ...setting,
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
  forged("a page of another host below the same domain", {}, "same-site"),
  forged("a page without an origin", {}, "none"),
  forged("a request without Origin and Sec-Fetch-Site", {}),
  forged("an origin of null", { origin: "null" }),
  forged("another origin", { origin: "https://evil.example" }),
  forged("an origin that starts like ours", { origin: "http://127.0.0.1.evil.example" }),
  forged("two values in Sec-Fetch-Site", { "sec-fetch-site": "same-origin, cross-site" }),
  forged("an empty custom header", { "x-csrf": "" }, "cross-site"),
  forged("a method override header", { "x-http-method-override": "GET" }, "cross-site"),
  {
    ...setting,
    name: "a request of a page of this site is allowed",
    source: "guide, single-page apps",
    async attack(world) {
      await signIn(world);
      return world.victim.fetch(`${world.base}/own`, { method: "POST" });
    },
    outcome: ({ status, body }) => void expect([status, body]).toEqual([200, "in"]),
  },
];

/** A request that the API has received. */
interface ApiRequest {
  readonly url: string | undefined;
  readonly headers: Record<string, unknown>;
}
const apiRequests: ApiRequest[] = [];
let respond: RequestListener = (_req, res) => void res.end("ok");
const origin = await serve((req, res) => {
  apiRequests.push({ url: req.url, headers: req.headers });
  respond(req, res);
});
const upstream = `${origin}/v1`;

/** Signs the victim in, and calls the API through the proxy. */
const callApi = (
  name: string,
  more: Partial<Case> & {
    readonly responds?: RequestListener;
    readonly path?: string;
    readonly request?: object;
  },
): Case => ({
  ...setting,
  name,
  source: "RFC 9110, section 7.6; OWASP API Security Top 10",
  get app() {
    return { upstream };
  },
  async attack(world) {
    apiRequests.length = 0;
    respond = more.responds ?? ((_req, res) => void res.end("ok"));
    await signIn(world);
    return world.victim.fetch(`${world.base}/api${more.path ?? "/things"}`, more.request ?? {});
  },
  outcome: ({ status }) => void expect(status).toBeLessThan(400),
  ...more,
});

const rejectedPath = (path: string): Case =>
  callApi(`the path ${path}`, {
    source: "CWE-22; CWE-444",
    async attack(world) {
      apiRequests.length = 0;
      await signIn(world);
      const cookie = await world.victim.jar.getCookieString(world.url);
      return sendRaw(world.victim, world.appUrl, rawRequest(`GET ${path} HTTP/1.1`, [`Cookie: ${cookie}`]));
    },
    outcome({ status }) {
      expect(status).toBeGreaterThanOrEqual(400);
      expect(apiRequests).toEqual([]);
    },
  });

const proxied: readonly Case[] = [
  callApi("receives the access token, and no cookie or credentials of the page", {
    request: {
      headers: { authorization: "Bearer stolen", "x-forwarded-for": "1.2.3.4", "proxy-authorization": "x" },
    },
    outcome({ status }, { provider }) {
      expect(status).toBe(200);
      const [{ headers, url } = { headers: {}, url: "" }] = apiRequests;
      expect(url).toBe("/v1/things");
      expect(provider.issued.some((token) => headers["authorization"] === `Bearer ${token}`)).toBe(true);
      for (const name of ["cookie", "origin", "sec-fetch-site", "proxy-authorization"])
        expect(headers).not.toHaveProperty(name);
      expect(headers["x-forwarded-for"]).not.toContain("1.2.3.4");
    },
  }),
  callApi("cannot set a cookie, open CORS, request a password, or clear the site's data", {
    responds(_req, res) {
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
  callApi("that redirects: the proxy does not follow the redirect with the token", {
    responds: (_req, res) => void res.writeHead(302, { location: "https://evil.example/" }).end(),
    outcome: () => void expect(apiRequests).toHaveLength(1),
  }),
  callApi("that responds 401: the proxy refreshes the token once and tries again once", {
    responds: (_req, res) => void res.writeHead(401, { "www-authenticate": "Basic" }).end(CANARY.slice(0, 5)),
    outcome({ status, headers }, { requestsTo }) {
      expect([status, headers["www-authenticate"], apiRequests.length]).toEqual([
        401,
        'Bearer realm="portal"',
        2,
      ]);
      expect(requestsTo("/oauth2/token")).toHaveLength(2);
    },
  }),
  callApi("that closes the connection: the page gets a 502, and the process continues", {
    responds: (_req, res) => void res.destroy(),
    outcome: ({ status, body }) =>
      void expect([status, JSON.parse(body).code]).toEqual([502, "upstream_unreachable"]),
  }),
  callApi("receives no request from another site", {
    request: { method: "POST", site: "cross-site" },
    outcome({ status }) {
      expect([status, apiRequests]).toEqual([403, []]);
    },
  }),
  callApi("receives no request from a visitor", {
    attack: ({ attacker, base }) => {
      apiRequests.length = 0;
      return attacker.fetch(`${base}/api/things`);
    },
    outcome({ status }) {
      expect([status, apiRequests]).toEqual([401, []]);
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
  ].map(rejectedPath),
];

for (const run of [describeAttacks, describeAttacksOnCluster]) {
  run("saves forms during a login", forms);
  run("reports the status of a session to pages", statusCases);
  run("rejects forged requests", forgeries);
}
describeAttacks("an API behind the proxy", proxied);
