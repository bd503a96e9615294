import { expect } from "vitest";
import type { Answer } from "../support/browser.js";
import { CLIENT_ID } from "../support/world.js";
import { attacks, type Case, logIn, type Outcome, onExpress4, type World } from "./support/attack.js";
import { rawRequest, sendRaw } from "./support/client.js";
import { sendJson } from "./support/lies.js";
import { allOf, refused, staysIn } from "./support/outcomes.js";

// Open redirects: for every way to request another site, the user and the tokens stay on this site or go to
// the provider.

const SOURCE = "RFC 9700, section 4.11; CWE-601";

/** The parameters of an authorization request that a URL must not change. */
const PROTECTED = [
  ...[
    "state",
    "nonce",
    "code_challenge",
    "code_challenge_method",
    "redirect_uri",
    "client_id",
    "client_secret",
  ],
  ...["response_type", "response_mode", "request", "request_uri", "scope", "prompt", "max_age", "claims"],
];

/** Requested targets that would lead to another site. */
const ELSEWHERE = [
  "https://evil.example",
  "//evil.example",
  "/\\evil.example",
  "\\\\evil.example",
  "/\t/evil.example",
  "/.//evil.example",
  "/\n//evil.example",
  "\u0000//evil.example",
  " //evil.example",
  "/..//evil.example",
  "/%2e%2e//evil.example",
  "///evil.example",
  "////evil.example",
  "https:evil.example",
  "https:/evil.example",
  "http://here.invalid:80@evil.example",
  "javascript:alert(1)",
  "JaVaScRiPt:alert(1)",
  "data:text/html,<script>alert(1)</script>",
  "blob:http://here.invalid/x",
  "/\u2028/evil.example",
  "/a/../..//evil.example",
  "//evil.example\\@127.0.0.1",
  "/%0d%0aLocation:%20https://evil.example",
];
/** Some of these, for options that pass a target to the same check. */
const SOME = ELSEWHERE.slice(0, 6);

const ofTheApp = ({ victim, stranger, url }: World): Answer[] =>
  [...victim.answers, ...stranger.answers].filter(({ url: at }) => new URL(at).origin === url);

/** Checks each response of the app: where it redirects the user, and where its links lead. */
const staysOnSite: Outcome = (_answer, world) => {
  const { url, portal: provider } = world;
  for (const { url: at, headers, body } of ofTheApp(world)) {
    const { login = "/", logout_url = "/" } = /json/.test(headers["content-type"] ?? "")
      ? JSON.parse(body)
      : {};
    for (const way of [headers.location ?? "/", logout_url])
      expect([url, provider.issuer]).toContain(new URL(way, at).origin);
    const links = [...body.matchAll(/(?:href|action)="([^"]*)"/g)].map(([, link = ""]) => link);
    for (const link of [login, ...links]) expect(new URL(link.replaceAll("&amp;", "&"), at).origin).toBe(url);
  }
};

/** Expects that the login has succeeded nevertheless. */
const isIn: Outcome = async ({ status }, { victim, whoIs }) => {
  expect(status).toBeLessThan(500);
  expect(await whoIs(victim)).toBe(victim.person["sub"]);
};

const openRedirect = (
  place: string,
  wish: string,
  act: (world: World) => Promise<Answer>,
  more: Partial<Case> = {},
): Case => ({
  name: `${place}: ${JSON.stringify(wish)}`,
  source: SOURCE,
  act,
  ...more,
  outcome: allOf(staysOnSite, more.outcome ?? isIn),
});

/** The app passes a query parameter on. */
const visitWish =
  (path: string, wish: string) =>
  ({ victim, base }: World): Promise<Answer> =>
    victim.visit(`${base}${path}${encodeURIComponent(wish)}`);

attacks("open redirects", [
  ...ELSEWHERE.map((wish) => openRedirect("/login?returnTo", wish, visitWish("/login?returnTo=", wish))),
  ...ELSEWHERE.filter((wish) => wish.startsWith("/") && !/[\n\t]/.test(wish)).map((wish) =>
    openRedirect(
      "a guarded URL",
      wish,
      async ({ victim, url, portal: provider }) => {
        const told = await victim.fetch(url + encodeURI(wish));
        expect([told.status, JSON.parse(told.body).login]).toEqual([401, "/login"]);
        const guarded = await victim.navigate(url + encodeURI(wish));
        expect([guarded.status, new URL(guarded.headers.location ?? "").origin]).toEqual([
          302,
          provider.issuer,
        ]);
        const callback = await victim.loginUntilCallback(guarded.headers.location ?? "");
        // and stop before the page to which it leads
        return victim.navigate(callback, { site: "cross-site" });
      },
      { app: { guardAll: true } },
    ),
  ),
  ...ELSEWHERE.map((wish) =>
    openRedirect("the page of a failed login", wish, visitWish("/login?returnTo=", wish), {
      lie: (provider) => provider.answerNext("/oauth2/token", sendJson(400, { error: "invalid_grant" })),
      outcome: refused("code_refused"),
    }),
  ),
  ...SOME.flatMap((wish) => [
    openRedirect("req.portal.login({ returnTo })", wish, visitWish("/wish?to=", wish)),
    openRedirect("requireAuth({ returnTo })", wish, visitWish("/guarded-wish?to=", wish)),
    openRedirect("onLogin's context.returnTo", wish, logIn, { app: { leadsTo: wish } }),
  ]),
]);

/** A value that is not a text leads to the start page. */
const noText = (place: string, act: (world: World) => Promise<Answer>, more: Partial<Case> = {}): Case => ({
  name: `${place} that is not a text`,
  source: "CWE-1287",
  act,
  ...more,
  outcome: allOf(staysOnSite, isIn, ({ url: at }, { url }) => void expect(at).toBe(`${url}/`)),
});
const noTexts = [
  ...["to=/account&to=//evil.example", "to[]=//evil.example", "to[toString]=//evil.example"].flatMap(
    (query) => [
      noText(`req.portal.login(), ${query}: a target`, ({ victim, base }) =>
        victim.visit(`${base}/wish?${query}`),
      ),
      noText(`requireAuth(), ${query}: a target`, ({ victim, base }) =>
        victim.visit(`${base}/guarded-wish?${query}`),
      ),
    ],
  ),
  ...[["//evil.example"], { href: "//evil.example" }, 1, null].map((leadsTo) =>
    noText(`onLogin, ${JSON.stringify(leadsTo)}: a target`, logIn, { app: { leadsTo } }),
  ),
];
attacks("rejects targets that are not texts", noTexts);
attacks("rejects targets that are not texts, on Express 4", onExpress4(noTexts));

/** Adds to a logout's URL, and to its form, the provider's parameter for the page that follows. */
const addedToLogout = (name: string, document: "portal" | "full"): Case => ({
  name: `/logout?${name}, at a provider with a ${document === "full" ? "standard" : "sparse"} document`,
  source: "OpenID Connect RP-Initiated Logout 1.0, section 3; CWE-601",
  portal: { document },
  // no hint: here a script gets the URL
  lie: (provider) => provider.nextIdToken({ claims: { about: "a".repeat(2500) } }),
  async act(world) {
    const { victim, base, portal: provider } = world;
    const address = `${base}/logout?${name}=https://evil.example`;
    await logIn(world);
    const told = await victim.fetch(address, { method: "POST", form: { [name]: "https://evil.example" } });
    expect(new URL(JSON.parse(told.body).logout_url).origin).toBe(provider.issuer);
    await logIn(world);
    return victim.visit(address, { site: "same-origin" });
  },
  outcome: allOf(staysOnSite, async ({ url: at, status }, world) => {
    expect([at.replace(/\?.*/, ""), status]).toEqual([`${world.url}/`, 200]);
    expect(await world.whoIs(world.victim)).toBeUndefined();
    for (const { headers, body } of ofTheApp(world))
      expect(JSON.stringify([headers, body])).not.toContain("evil");
  }),
});
attacks(
  "redirects to a registered page after a logout",
  ["post_logout_redirect_uri", "logout_redirect_uri", "redirect_uri", "returnTo", "state"].flatMap((name) => [
    addedToLogout(name, "portal"),
    addedToLogout(name, "full"),
  ]),
);

attacks(
  "ignores added parameters",
  PROTECTED.map(
    (name): Case => ({
      name: `/login?${name}: the value does not reach the provider`,
      source: "RFC 9700, section 4.1",
      act: ({ victim, base }) => victim.navigate(`${base}/login?${name}=https://evil.example`),
      outcome({ headers }, { base }) {
        const { searchParams } = new URL(headers.location ?? "");
        expect([searchParams.getAll("redirect_uri"), searchParams.getAll("client_id")]).toEqual([
          [`${base}/callback`],
          [CLIENT_ID],
        ]);
        expect(headers.location).not.toContain("evil.example");
      },
    }),
  ),
);

/** If the router is mounted at a pattern, the attacker's URL decides a part of our own URLs. */
const tenant = (name: string): Case => ({
  name: `/${name}/…`,
  source: "CWE-601",
  mount: "/:tenant",
  async act({ stranger, url }) {
    const ask = (path: string, accept: string) =>
      sendRaw(stranger, url, rawRequest(`GET /${name}${path} HTTP/1.1`, [`Accept: ${accept}`]));
    const answers = [
      await ask("/account", "application/json"),
      await ask("/callback?state=a&code=b", "text/html"),
      await ask("/logout", "text/html"),
      await ask("/login", "text/html"),
    ];
    expect(answers.map(({ status }) => status)).toEqual([401, 400, 200, 302]);
    return answers[3] as Answer;
  },
  outcome: allOf(staysOnSite, ({ headers: { location = "" } }, { base }) => {
    expect(new URL(location).searchParams.get("redirect_uri")).toBe(`${base}/callback`);
  }),
});
const tenants = [
  ...["\\evil.example", "\\\\evil.example", "%5cevil.example", "%2f%2fevil.example", ".%5cevil.example"],
  ...["https:evil.example", "@evil.example", "..;", "%09%0d%0aLocation:%20https:%2f%2fevil.example"],
].map(tenant);
attacks("keeps a router that is mounted at /:tenant on this site", tenants);
attacks("keeps a router that is mounted at /:tenant on this site, on Express 4", onExpress4(tenants));

/**
 * A careless app fetches a URL from a query with the user's token. Only https://api.example may receive it.
 */
const astray = (name: string, to: (issuer: string) => string): Case => ({
  name: `req.portal.fetch(): ${name}`,
  source: "RFC 9700, section 4.9.1; RFC 6750, section 5.3",
  options: { apiOrigins: ["https://api.example"] },
  async act(world) {
    await logIn(world);
    return world.victim.fetch(`${world.base}/fetched?to=${encodeURIComponent(to(world.portal.issuer))}`);
  },
  outcome: allOf(
    staysIn("origin_not_allowed"),
    (_answer, { asked }) => void expect(asked("/api")).toEqual([]),
  ),
});
attacks("sends tokens to the configured API only", [
  astray("another site", (issuer) => `${issuer}/api`),
  astray("the API as the user of another site", (issuer) =>
    issuer.replace("//", "//api.example@").concat("/api"),
  ),
  astray("the API as user and password", (issuer) =>
    issuer.replace("//", "//https:api.example@").concat("/api"),
  ),
  astray("another site after a backslash", (issuer) => `${issuer}\\@api.example/api`),
  astray("a tab within the scheme", (issuer) => `${issuer.replace("ht", "ht\t")}/api`),
  astray("the API via http", () => "http://api.example/"),
  astray("the API on another port", () => "https://api.example:444/"),
  astray("a host below the API's", () => "https://evil.api.example/"),
  astray("a host that starts like the API's", () => "https://api.example.evil.example/"),
  astray("the API's host with an added dot", () => "https://api.example./"),
  astray("no scheme", () => "//api.example/"),
  astray("a path", () => "/api"),
  astray("a file", () => "file:///etc/passwd"),
  astray("data", () => "data:,x"),
]);
