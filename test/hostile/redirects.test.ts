import { expect } from "vitest";
import type { Answer } from "../support/browser.js";
import { CLIENT_ID } from "../support/world.js";
import {
  type Case,
  describeAttacks,
  type Outcome,
  onExpress4,
  signIn,
  type World,
} from "./support/attack.js";
import { rawRequest, sendRaw } from "./support/client.js";
import { sendJson } from "./support/faulty-responses.js";
import { allOf, rejectedWith, staysSignedIn } from "./support/outcomes.js";

// Open redirects. For every way to request another site, the user and the tokens stay on this site or go to
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

/** Requested URLs that would lead to another site. */
const OTHER_SITES = [
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
/** Some of these, for options that pass a URL to the same check. */
const SOME_OTHER_SITES = OTHER_SITES.slice(0, 6);

/** Returns the responses of the app. */
const answersOfApp = ({ victim, attacker, url }: World): Answer[] =>
  [...victim.answers, ...attacker.answers].filter(({ url: at }) => new URL(at).origin === url);

/** Expects that all redirects of the app lead to this site or to the provider, and all links to this site. */
const staysOnSite: Outcome = (_answer, world) => {
  const { url, provider } = world;
  const originOf = (link: string, page: string) => new URL(link.replaceAll("&amp;", "&"), page).origin;
  for (const { url: page, headers, body } of answersOfApp(world)) {
    const isJson = /json/.test(headers["content-type"] ?? "");
    const { login = "/", logout_url = "/" } = isJson ? JSON.parse(body) : {};
    for (const target of [headers.location ?? "/", logout_url])
      expect([url, provider.issuer]).toContain(new URL(target, page).origin);
    const links = [...body.matchAll(/(?:href|action)="([^"]*)"/g)].map(([, link = ""]) => link);
    for (const link of [login, ...links]) expect(originOf(link, page)).toBe(url);
  }
};

/** Expects that the login has succeeded nevertheless. */
const isSignedIn: Outcome = async ({ status }, { victim, signedInUser }) => {
  expect(status).toBeLessThan(500);
  expect(await signedInUser(victim)).toBe(victim.user["sub"]);
};

const openRedirect = (
  place: string,
  requested: string,
  attack: (world: World) => Promise<Answer>,
  more: Partial<Case> = {},
): Case => ({
  name: `${place}: ${JSON.stringify(requested)}`,
  source: SOURCE,
  attack,
  ...more,
  outcome: allOf(staysOnSite, more.outcome ?? isSignedIn),
});

/** Visits a path of the app that ends with a query parameter, with the requested URL as its value. */
const visitWith =
  (path: string, requested: string) =>
  ({ victim, base }: World): Promise<Answer> =>
    victim.visit(`${base}${path}${encodeURIComponent(requested)}`);

/** Requests this path of the app at a guard for all paths, and signs in. */
const visitGuarded =
  (path: string) =>
  async ({ victim, url, provider }: World): Promise<Answer> => {
    const problem = await victim.fetch(url + encodeURI(path));
    expect([problem.status, JSON.parse(problem.body).login]).toEqual([401, "/login"]);
    const { status, headers } = await victim.navigate(url + encodeURI(path));
    const login = headers.location ?? "";
    expect([status, new URL(login).origin]).toEqual([302, provider.issuer]);
    const callback = await victim.loginUntilCallback(login);
    // the browser does not follow the last redirect, which staysOnSite checks
    return victim.navigate(callback, { site: "cross-site" });
  };

describeAttacks("redirects to no other site", [
  ...OTHER_SITES.map((site) => openRedirect("/login?returnTo", site, visitWith("/login?returnTo=", site))),
  ...OTHER_SITES.filter((site) => site.startsWith("/") && !/[\n\t]/.test(site)).map((site) =>
    openRedirect("a guarded URL", site, visitGuarded(site), { app: { isFullyGuarded: true } }),
  ),
  ...OTHER_SITES.map((site) =>
    openRedirect("the page of a failed login", site, visitWith("/login?returnTo=", site), {
      fault: (provider) => provider.answerNext("/oauth2/token", sendJson(400, { error: "invalid_grant" })),
      outcome: rejectedWith("code_refused"),
    }),
  ),
  ...SOME_OTHER_SITES.flatMap((site) => [
    openRedirect("req.portal.login({ returnTo })", site, visitWith("/login-to?to=", site)),
    openRedirect("requireAuth({ returnTo })", site, visitWith("/guarded-to?to=", site)),
    openRedirect("onLogin's context.returnTo", site, signIn, { app: { returnTo: site } }),
  ]),
]);

/** Expects that a returnTo that is not a text leads to the start page. */
const notText = (
  name: string,
  attack: (world: World) => Promise<Answer>,
  more: Partial<Case> = {},
): Case => ({
  name,
  source: "CWE-1287",
  attack,
  ...more,
  outcome: allOf(staysOnSite, isSignedIn, (answer, { url }) => void expect(answer.url).toBe(`${url}/`)),
});
const QUERIES = ["to=/account&to=//evil.example", "to[]=//evil.example", "to[toString]=//evil.example"];
const notTexts = [
  ...QUERIES.flatMap((query) => [
    notText(`req.portal.login(), with ?${query}`, ({ victim, base }) =>
      victim.visit(`${base}/login-to?${query}`),
    ),
    notText(`requireAuth(), with ?${query}`, ({ victim, base }) =>
      victim.visit(`${base}/guarded-to?${query}`),
    ),
  ]),
  ...[["//evil.example"], { href: "//evil.example" }, 1, null].map((returnTo) =>
    notText(`onLogin, with ${JSON.stringify(returnTo)}`, signIn, { app: { returnTo } }),
  ),
];
describeAttacks("uses the start page if returnTo is not a text", notTexts);
describeAttacks("uses the start page if returnTo is not a text, on Express 4", onExpress4(notTexts));

/** Adds this parameter to the URL and the form of a logout, as a provider reads it for the next page. */
const addedToLogout = (name: string, document: "portal" | "full"): Case => ({
  name: `/logout?${name}, at a provider with a ${document === "full" ? "standard" : "sparse"} document`,
  source: "OpenID Connect RP-Initiated Logout 1.0, section 3; CWE-601",
  provider: { document },
  // the ID token is too long for a hint, so that the app returns logout_url to a script
  fault: (provider) => provider.nextIdToken({ claims: { about: "a".repeat(2500) } }),
  async attack(world) {
    const { victim, base, provider } = world;
    const logout = `${base}/logout?${name}=https://evil.example`;
    await signIn(world);
    const answer = await victim.fetch(logout, { method: "POST", form: { [name]: "https://evil.example" } });
    expect(new URL(JSON.parse(answer.body).logout_url).origin).toBe(provider.issuer);
    await signIn(world);
    return victim.visit(logout, { site: "same-origin" });
  },
  outcome: allOf(staysOnSite, async ({ url, status }, world) => {
    expect([url.replace(/\?.*/, ""), status]).toEqual([`${world.url}/`, 200]);
    expect(await world.signedInUser(world.victim)).toBeUndefined();
    for (const { headers, body } of answersOfApp(world))
      expect(JSON.stringify([headers, body])).not.toContain("evil");
  }),
});
describeAttacks(
  "redirects to a registered page after a logout",
  ["post_logout_redirect_uri", "logout_redirect_uri", "redirect_uri", "returnTo", "state"].flatMap((name) => [
    addedToLogout(name, "portal"),
    addedToLogout(name, "full"),
  ]),
);

describeAttacks(
  "ignores protected parameters of /login",
  PROTECTED.map(
    (name): Case => ({
      name: `/login?${name} does not reach the provider`,
      source: "RFC 9700, section 4.1",
      attack: ({ victim, base }) => victim.navigate(`${base}/login?${name}=https://evil.example`),
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

/** Mounts the router at a pattern, so that the attacker's URL decides a part of our own URLs. */
const atPattern = (name: string): Case => ({
  name: `/${name}/…`,
  source: "CWE-601",
  mount: "/:tenant",
  async attack({ attacker, url }) {
    const get = (path: string, accept: string) =>
      sendRaw(attacker, url, rawRequest(`GET /${name}${path} HTTP/1.1`, [`Accept: ${accept}`]));
    const answers = [
      await get("/account", "application/json"),
      await get("/callback?state=a&code=b", "text/html"),
      await get("/logout", "text/html"),
      await get("/login", "text/html"),
    ];
    expect(answers.map(({ status }) => status)).toEqual([401, 400, 200, 302]);
    return answers[3] as Answer;
  },
  outcome: allOf(staysOnSite, ({ headers: { location = "" } }, { base }) => {
    expect(new URL(location).searchParams.get("redirect_uri")).toBe(`${base}/callback`);
  }),
});
const patterns = [
  ...["\\evil.example", "\\\\evil.example", "%5cevil.example", "%2f%2fevil.example", ".%5cevil.example"],
  ...["https:evil.example", "@evil.example", "..;", "%09%0d%0aLocation:%20https:%2f%2fevil.example"],
].map(atPattern);
describeAttacks("keeps a router that is mounted at /:tenant on this site", patterns);
describeAttacks(
  "keeps a router that is mounted at /:tenant on this site, on Express 4",
  onExpress4(patterns),
);

/** Lets a careless app fetch a URL with the user's token. Only https://api.example may receive the token. */
const otherTarget = (name: string, urlFor: (issuer: string) => string): Case => ({
  name: `req.portal.fetch(): ${name}`,
  source: "RFC 9700, section 4.9.1; RFC 6750, section 5.3",
  options: { apiOrigins: ["https://api.example"] },
  async attack(world) {
    await signIn(world);
    return world.victim.fetch(
      `${world.base}/fetched?to=${encodeURIComponent(urlFor(world.provider.issuer))}`,
    );
  },
  outcome: allOf(
    staysSignedIn("origin_not_allowed"),
    (_answer, { requestsTo }) => void expect(requestsTo("/api")).toEqual([]),
  ),
});
describeAttacks("sends tokens only to the configured API", [
  otherTarget("another site", (issuer) => `${issuer}/api`),
  otherTarget("the API as the user name in a URL of another site", (issuer) =>
    issuer.replace("//", "//api.example@").concat("/api"),
  ),
  otherTarget("the API as user name and password in a URL of another site", (issuer) =>
    issuer.replace("//", "//https:api.example@").concat("/api"),
  ),
  otherTarget("another site after a backslash", (issuer) => `${issuer}\\@api.example/api`),
  otherTarget("a tab within the scheme", (issuer) => `${issuer.replace("ht", "ht\t")}/api`),
  otherTarget("the API via http", () => "http://api.example/"),
  otherTarget("the API on another port", () => "https://api.example:444/"),
  otherTarget("a host below the API's", () => "https://evil.api.example/"),
  otherTarget("a host that starts like the API's", () => "https://api.example.evil.example/"),
  otherTarget("the API's host with an added dot", () => "https://api.example./"),
  otherTarget("no scheme", () => "//api.example/"),
  otherTarget("a path", () => "/api"),
  otherTarget("a file", () => "file:///etc/passwd"),
  otherTarget("data", () => "data:,x"),
]);
