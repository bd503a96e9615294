import { expect } from "vitest";
import type { Answer } from "../support/browser.js";
import { secretsOf } from "../support/world.js";
import {
  CANARY,
  type Case,
  describeAttacks,
  type Outcome,
  SHORT_TIMEOUT,
  signIn,
  type World,
} from "./support/attack.js";
import { DISCOVERY, KEYS, TOKEN } from "./support/endpoints.js";
import * as faults from "./support/faulty-responses.js";
import { allOf, rejectedWith, signedIn } from "./support/outcomes.js";
import { signInThenFetch } from "./support/sign-in-steps.js";

// Everything that shows users and developers what happens: pages, the log, events, the inspector and the
// doctor. After every case of this folder, attack.ts searches them for secrets. The tests below attack them
// directly.

/** Lets a login fail so that its page and log line contain as much as possible. */
const failAtProvider = ({ victim, base, provider }: World): Promise<Answer> => {
  provider.answerNext(TOKEN, faults.sendJson(400, { error: "invalid_grant", error_description: CANARY }));
  return victim.visit(`${base}/account`);
};

const eventsEmitted: Outcome = async (_answer, world) => {
  const { events } = await world.readReceived();
  expect(events.length).toBeGreaterThan(0);
};

describeAttacks("shows what happens in the inspector and in events", [
  {
    name: "the inspector shows events, and only to this machine",
    source: "guide, observability",
    async attack(world) {
      await world.openInspector(world.victim);
      return signInThenFetch("/portal-inspector/events.json")(world);
    },
    async outcome({ status, body }, { openInspector, attacker, base }) {
      expect(status).toBe(200);
      await openInspector(attacker);
      expect(body).toContain(`"state":"finished"`);
      expect(body).toContain("amara-okafor"); // this browser's own claims
      const shown = await attacker.fetch(`${base}/portal-inspector/events.json`);
      expect(shown.body).not.toContain("amara-okafor");
    },
  },
  {
    name: "the inspector shows nothing without its token, not even on this machine",
    source: "guide, observability",
    attack: signInThenFetch("/portal-inspector/events.json"),
    outcome: ({ status, body }) => void expect([status, body]).toEqual([404, "Not Found\n"]),
  },
  {
    name: "a login emits events",
    source: "guide, events",
    outcome: allOf(signedIn, eventsEmitted),
  },
  {
    name: "a failed login emits events",
    source: "guide, events",
    attack: failAtProvider,
    outcome: allOf(rejectedWith("code_refused"), eventsEmitted),
  },
]);

/** Lets the app's own logger write to the log that every case searches, and expects this line there. */
const logged = (testCase: Omit<Case, "source">, line: RegExp): Case => ({
  source: "guide, logger",
  ...testCase,
  app: { hasLogger: true, ...testCase.app },
  outcome: allOf(testCase.outcome, async (_answer, { host }) => {
    await host.ping();
    expect(host.log.slice(-50).join("\n")).toMatch(line);
  }),
});

describeAttacks("writes to the app's own logger", [
  logged({ name: "an entry for a login", outcome: signedIn }, /login\.finished/),
  logged(
    { name: "an entry for a failure", attack: failAtProvider, outcome: rejectedWith("code_refused") },
    /"code":"code_refused"/,
  ),
  logged(
    {
      name: "an entry for a rejected refresh",
      async attack(world) {
        world.provider.nextTokenResponse({ expires_in: 0 });
        await signIn(world);
        world.provider.answerNext(
          TOKEN,
          faults.sendJson(400, { error: "invalid_grant", error_description: CANARY }),
        );
        return world.victim.fetch(`${world.base}/token`);
      },
      outcome: ({ status }) => void expect(status).toBe(401),
    },
    /refresh_refused/,
  ),
  logged(
    {
      name: "lines that an attacker cannot split",
      attack: ({ attacker, base }) =>
        attacker.navigate(
          `${base}/callback?state=x&error=${encodeURIComponent("a\r\n[express-portal-auth] \u2028b")}`,
        ),
      outcome: ({ status }) => void expect(status).toBe(400),
    },
    /"failed"|login_not_found/,
  ),
]);

const ownPage = (
  name: string,
  pageTemplate: NonNullable<Case["app"]>["pageTemplate"],
  outcome: Outcome,
): Case => ({
  name,
  source: "guide, customising pages",
  app: { pageTemplate },
  attack: failAtProvider,
  outcome,
});
const defaultPage: Outcome = ({ body }) => void expect(body).toMatch(/^<!doctype html>\n<html lang="en">/);

describeAttacks("renders pages with the app's own renderPage", [
  ownPage(
    "that throws: the default page is shown",
    "throws",
    allOf(rejectedWith("code_refused"), defaultPage),
  ),
  ownPage(
    "that rejects: the default page is shown",
    "rejects",
    allOf(rejectedWith("code_refused"), defaultPage),
  ),
  ownPage(
    "that returns no text: the default page is shown",
    "a number",
    allOf(rejectedWith("code_refused"), defaultPage),
  ),
  ownPage("that shows all its arguments", "shows all arguments", rejectedWith("code_refused")),
]);

const language = (name: string, acceptLanguage: string, lang: string): Case => ({
  name,
  source: "RFC 9110, section 12.5.4",
  attack: ({ attacker, base }) =>
    attacker.navigate(`${base}/callback`, { headers: { "accept-language": acceptLanguage } }),
  outcome: allOf(rejectedWith("callback_invalid"), ({ body, headers }) => {
    expect(body).toContain(`<html lang="${lang}">`);
    expect(headers["content-language"]).toBe(lang);
  }),
});

describeAttacks("chooses the language of a page by Accept-Language", [
  language("Chinese", "zh-CN,zh;q=0.9,en;q=0.8", "zh"),
  language("an unknown language", "tlh", "en"),
  language("no language", "", "en"),
  language("all languages excluded", "*;q=0", "en"),
  language("names of members that every object has", "__proto__,constructor;q=0.9", "en"),
  language("a tag that would break a page", '"><script>alert(1)</script>', "en"),
  language(
    "a thousand languages",
    Array.from({ length: 1000 }, (_, index) => `x${index};q=0.${index}`).join(),
    "en",
  ),
  language("a weight that is not a number", "zh;q=NaN,en;q=1e999", "en"),
]);

const STRICT = { options: { sameSite: "strict" } } as const;
const continuesHere = (name: string, path: string, more: Partial<Case> = {}): Case => ({
  ...STRICT,
  name,
  source: "CWE-79; RFC 9700, section 4.11",
  attack: ({ attacker, base }) => attacker.navigate(base + path, { site: "cross-site" }),
  outcome: staysOnSite,
  ...more,
});

/** Expects a page that continues on this site, and contains nothing of the query as markup. */
function staysOnSite({ status, headers, body, url: page }: Answer, { url }: World): void {
  expect([200, 400, 401]).toContain(status);
  const { refresh = "0; url=/" } = headers;
  expect(new URL(String(refresh).slice("0; url=".length), page).origin).toBe(url);
  for (const [, link = ""] of body.matchAll(/(?:href|action)="([^"]*)"/g))
    expect(new URL(link, page).origin).toBe(url);
  expect(body).not.toMatch(/<(script|img)/);
}

describeAttacks("shows a safe page that continues automatically, for Strict session cookies", [
  continuesHere(
    "markup in the state",
    `/callback?code=x&state=${encodeURIComponent('"><script>alert(1)</script>')}`,
  ),
  continuesHere(
    "a URL in the query",
    "/callback?code=x&state=y&url=https://evil.example&posted2=//evil.example",
  ),
  continuesHere(
    "a semicolon, as Refresh would read it",
    "/callback?code=x;url=https://evil.example&state=0;url=//evil.example",
  ),
  continuesHere("markup in a guarded URL", "/account?<img/src=x onerror=alert(1)>".replaceAll(" ", "%20")),
  ...["//evil.example", "/\\evil.example", "/%5cevil.example", "///evil.example/%2e%2e"].map((path) =>
    continuesHere(`a guarded URL that browsers read in another way: ${path}`, path, {
      app: { isFullyGuarded: true },
      ...STRICT,
    }),
  ),
  continuesHere(
    "a value that the app has not encrypted",
    "/callback?posted=eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIn0..AAAA.AAAA.AAAA",
  ),
  continuesHere("the attacker's login in the victim's browser, which is rejected as usual", "/", {
    source: "RFC 9700, section 4.7",
    async attack({ victim, attacker, base }) {
      const callback = await attacker.loginUntilCallback(`${base}/login`);
      const page = await victim.navigate(callback, { site: "cross-site" });
      const again = new URL(String(page.headers["refresh"]).slice("0; url=".length), callback);
      expect((await victim.navigate(again, { site: "same-origin" })).body).toMatch(/login_\w+/);
      // The encrypted URL is not usable elsewhere either.
      return victim.visit(again, { site: "cross-site" });
    },
    outcome: async ({ status }, { signedInUser, victim, requestsTo }) =>
      void expect([status, await signedInUser(victim), requestsTo(TOKEN)]).toEqual([400, undefined, []]),
  }),
]);

/** Runs the doctor at a faulty provider. Expects these verdicts in time, and no secret in the report. */
const diagnosed = (
  name: string,
  fault: (provider: World["provider"]) => unknown,
  verdicts: Record<string, string | RegExp>,
  options: Case["options"] = {},
): Case => ({
  name: `the doctor: ${name}`,
  source: "guide, troubleshooting",
  options,
  fault,
  async attack(world) {
    const start = performance.now();
    const { ok, checks } = await world.diagnose();
    expect(performance.now() - start).toBeLessThan(8000);
    const text = JSON.stringify(checks);
    const secrets = [...secretsOf(world.provider, [], world.url), CANARY];
    expect(secrets.find((secret) => text.includes(secret))).toBeUndefined();
    expect(world.provider.issued).toEqual([]);
    for (const [id, verdict] of Object.entries(verdicts))
      expect(checks.find((check) => check.id === id)?.verdict, id).toMatch(verdict);
    expect(ok).toBe(checks.every(({ verdict }) => verdict !== "failed"));
    return world.attacker.fetch(`${world.base}/`);
  },
  outcome: ({ status }) => void expect(status).toBe(200),
});

const FAULTY_RESPONSES = {
  "500 with a page": faults.sendHtml(500),
  "200 with a page": faults.sendHtml(200),
  "a text in JSON": faults.sendJson(200, CANARY),
  null: faults.sendJson(200, null),
  "100,000 levels of lists": faults.sendText(200, "[".repeat(100_000), {
    "content-type": "application/json",
  }),
  "no response": faults.neverResponds,
  "half a response": faults.stopsMidway,
  "a byte every tenth of a second": faults.sendsSlowly,
  "50 MB": faults.hugeBody,
  "50 MB in a few kilobytes": faults.gzipBomb,
  "1 MB of headers": faults.hugeHeaders,
  "reset at once": faults.resetsAtOnce,
  "another protocol": faults.sendsOtherProtocol,
  "a redirect to another server": faults.redirectsTo(302, `http://127.0.0.1:1/?code=${CANARY}#${CANARY}`),
};
const faultsAt = (endpoint: string, path: string, verdicts: Record<string, string | RegExp>): Case[] =>
  Object.entries(FAULTY_RESPONSES).map(([name, fault]) => {
    // the doctor repeats a GET once after a reset
    const times = fault === faults.resetsAtOnce && path !== TOKEN ? 2 : 1;
    return diagnosed(
      `${endpoint}: ${name}`,
      (provider) => provider.answerNext(path, fault, times),
      verdicts,
      SHORT_TIMEOUT,
    );
  });
const discovered = (name: string, members: Record<string, unknown>, verdicts: Record<string, string>): Case =>
  diagnosed(
    name,
    (provider) => provider.alterDiscovery((document) => ({ ...document, ...members })),
    verdicts,
  );
const withKeys = (name: string, keys: unknown[]): Case =>
  diagnosed(name, (provider) => provider.alterKeys(() => ({ keys })), { "portal.keys": "failed" });

describeAttacks("the doctor reports a faulty provider", [
  ...faultsAt("discovery", DISCOVERY, { "portal.discovery": "failed", "portal.keys": "skipped" }),
  ...faultsAt("keys", KEYS, { "portal.keys": "failed", "credentials.token": "ok" }),
  ...faultsAt("token", TOKEN, { "portal.keys": "ok", "credentials.token": "failed" }),
  ...faultsAt("authorization", "/oauth2/authorize", {
    "credentials.token": "ok",
    "credentials.authorize": /./,
  }),
  discovered(
    "an issuer of another provider",
    { issuer: "https://evil.example" },
    { "portal.discovery": "failed" },
  ),
  discovered(
    "a document whose lists are not lists",
    { scopes_supported: 1, grant_types_supported: {} },
    { "portal.keys": "ok" },
  ),
  discovered(
    "lists with wrong values",
    { token_endpoint_auth_methods_supported: [{}, null, CANARY.length] },
    { "portal.keys": "ok" },
  ),
  withKeys("no keys", []),
  withKeys("keys of wrong types", [
    null,
    1,
    "x",
    [],
    { kty: 1 },
    { kty: "RSA", kid: { a: 1 } },
    { kty: "oct", k: CANARY },
  ]),
]);
