import { expect } from "vitest";
import type { Answer } from "../support/browser.js";
import { secretsOf } from "../support/world.js";
import { logInThenAsk } from "./support/acts.js";
import {
  attacks,
  CANARY,
  type Case,
  logIn,
  type Outcome,
  SHORT_TIMEOUT,
  type World,
} from "./support/attack.js";
import * as lies from "./support/lies.js";
import { allOf, refused, welcomed } from "./support/outcomes.js";
import { DISCOVERY, KEYS, TOKEN } from "./support/places.js";

// Everything that shows users and developers what happens: pages, the log, events, the inspector and the
// doctor. After every case of this folder, attack.ts searches them for secrets. The tests below attack them
// directly.

/** A failure whose page and log line contain as much as possible. */
const failAtThePortal = ({ victim, base, portal: provider }: World): Promise<Answer> => {
  provider.answerNext(TOKEN, lies.sendJson(400, { error: "invalid_grant", error_description: CANARY }));
  return victim.visit(`${base}/account`);
};

const heard: Outcome = async (_answer, world) => {
  const { events } = await world.told();
  expect(events.length).toBeGreaterThan(0);
};

attacks("what is searched after every case", [
  {
    name: "the inspector shows events, and only to this machine",
    source: "guide, observability",
    async act(world) {
      await world.openInspector(world.victim);
      return logInThenAsk("/portal-inspector/events.json")(world);
    },
    async outcome({ status, body }, { openInspector, stranger, base }) {
      expect(status).toBe(200);
      await openInspector(stranger);
      expect(body).toContain(`"state":"finished"`);
      expect(body).toContain("amara-okafor"); // this browser's own claims
      const theirs = await stranger.fetch(`${base}/portal-inspector/events.json`);
      expect(theirs.body).not.toContain("amara-okafor");
    },
  },
  {
    name: "the inspector shows nothing without its token, on this machine either",
    source: "guide, observability",
    act: logInThenAsk("/portal-inspector/events.json"),
    outcome: ({ status, body }) => void expect([status, body]).toEqual([404, "Not Found\n"]),
  },
  {
    name: "a login that works emits events",
    source: "guide, events",
    outcome: allOf(welcomed, heard),
  },
  {
    name: "a login that fails emits events",
    source: "guide, events",
    act: failAtThePortal,
    outcome: allOf(refused("code_refused"), heard),
  },
]);

/** The arguments of an app's logger, with events at level debug, are in the log that is searched. */
const intoTheLog = (attack: Omit<Case, "source">, line: RegExp): Case => ({
  source: "guide, logger",
  ...attack,
  app: { ownLogger: true, ...attack.app },
  outcome: allOf(attack.outcome, async (_answer, { host }) => {
    await host.ping();
    expect(host.log.slice(-50).join("\n")).toMatch(line);
  }),
});

attacks("a logger of the app's own", [
  intoTheLog({ name: "gets an entry for a login", outcome: welcomed }, /login\.finished/),
  intoTheLog(
    { name: "gets an entry for a failure", act: failAtThePortal, outcome: refused("code_refused") },
    /"code":"code_refused"/,
  ),
  intoTheLog(
    {
      name: "gets an entry for a rejected refresh",
      async act(world) {
        world.portal.nextTokenResponse({ expires_in: 0 });
        await logIn(world);
        world.portal.answerNext(
          TOKEN,
          lies.sendJson(400, { error: "invalid_grant", error_description: CANARY }),
        );
        return world.victim.fetch(`${world.base}/token`);
      },
      outcome: ({ status }) => void expect(status).toBe(401),
    },
    /refresh_refused/,
  ),
  intoTheLog(
    {
      name: "gets lines that no attacker can split",
      act: ({ stranger, base }) =>
        stranger.navigate(
          `${base}/callback?state=x&error=${encodeURIComponent("a\r\n[express-portal-auth] \u2028b")}`,
        ),
      outcome: ({ status }) => void expect(status).toBe(400),
    },
    /"failed"|login_not_found/,
  ),
]);

const own = (name: string, renders: NonNullable<Case["app"]>["renders"], outcome: Outcome): Case => ({
  name,
  source: "guide, customising pages",
  app: { renders },
  act: failAtThePortal,
  outcome,
});
const oursInstead: Outcome = ({ body }) => void expect(body).toMatch(/^<!doctype html>\n<html lang="en">/);

attacks("a page of the app's own", [
  own("throws: our page is shown instead", "throws", allOf(refused("code_refused"), oursInstead)),
  own("rejects: our page is shown instead", "rejects", allOf(refused("code_refused"), oursInstead)),
  own("is not a text: our page is shown instead", "a number", allOf(refused("code_refused"), oursInstead)),
  own("shows all its arguments", "all that it is given", refused("code_refused")),
]);

const asked = (name: string, language: string, lang: string): Case => ({
  name,
  source: "RFC 9110, section 12.5.4",
  act: ({ stranger, base }) =>
    stranger.navigate(`${base}/callback`, { headers: { "accept-language": language } }),
  outcome: allOf(refused("callback_invalid"), ({ body, headers }) => {
    expect(body).toContain(`<html lang="${lang}">`);
    expect(headers["content-language"]).toBe(lang);
  }),
});

attacks("chooses the language of a page by Accept-Language", [
  asked("Chinese", "zh-CN,zh;q=0.9,en;q=0.8", "zh"),
  asked("an unknown language", "tlh", "en"),
  asked("no language", "", "en"),
  asked("every language excluded", "*;q=0", "en"),
  asked("a member of every object", "__proto__,constructor;q=0.9", "en"),
  asked("a tag that would break a page", '"><script>alert(1)</script>', "en"),
  asked(
    "a thousand of them",
    Array.from({ length: 1000 }, (_, index) => `x${index};q=0.${index}`).join(),
    "en",
  ),
  asked("a weight that is not a number", "zh;q=NaN,en;q=1e999", "en"),
]);

const STRICT = { options: { sameSite: "strict" } } as const;
const ledHere = (name: string, path: string, more: Partial<Case> = {}): Case => ({
  ...STRICT,
  name,
  source: "CWE-79; RFC 9700, section 4.11",
  act: ({ stranger, base }) => stranger.navigate(base + path, { site: "cross-site" }),
  outcome: staysOnSite,
  ...more,
});

/** The page leads to this site, once, and contains nothing of the query where it could be read as markup. */
function staysOnSite({ status, headers, body, url: at }: Answer, { url }: World): void {
  expect([200, 400, 401]).toContain(status);
  const { refresh = "0; url=/" } = headers;
  expect(new URL(String(refresh).slice("0; url=".length), at).origin).toBe(url);
  for (const [, link = ""] of body.matchAll(/(?:href|action)="([^"]*)"/g))
    expect(new URL(link, at).origin).toBe(url);
  expect(body).not.toMatch(/<(script|img)/);
}

attacks("shows a safe page that continues automatically, for Strict session cookies", [
  ledHere(
    "markup in the state",
    `/callback?code=x&state=${encodeURIComponent('"><script>alert(1)</script>')}`,
  ),
  ledHere("a URL in the query", "/callback?code=x&state=y&url=https://evil.example&posted2=//evil.example"),
  ledHere(
    "a semicolon, as Refresh would read it",
    "/callback?code=x;url=https://evil.example&state=0;url=//evil.example",
  ),
  ledHere("markup in a guarded URL", "/account?<img/src=x onerror=alert(1)>".replaceAll(" ", "%20")),
  ...["//evil.example", "/\\evil.example", "/%5cevil.example", "///evil.example/%2e%2e"].map((path) =>
    ledHere(`a guarded URL that browsers read in another way: ${path}`, path, {
      app: { guardAll: true },
      ...STRICT,
    }),
  ),
  ledHere(
    "a value that the app has not encrypted",
    "/callback?posted=eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIn0..AAAA.AAAA.AAAA",
  ),
  ledHere("the attacker's login in the victim's browser: it is rejected as usual", "/", {
    source: "RFC 9700, section 4.7",
    async act({ victim, stranger, base }) {
      const theirs = await stranger.loginUntilCallback(`${base}/login`);
      const page = await victim.navigate(theirs, { site: "cross-site" });
      const again = new URL(String(page.headers["refresh"]).slice("0; url=".length), theirs);
      expect((await victim.navigate(again, { site: "same-origin" })).body).toMatch(/login_\w+/);
      // The encrypted URL is not usable elsewhere either.
      return victim.visit(again, { site: "cross-site" });
    },
    outcome: async ({ status }, { whoIs, victim, asked }) =>
      void expect([status, await whoIs(victim), asked(TOKEN)]).toEqual([400, undefined, []]),
  }),
]);

/** The doctor's report about a provider that breaks, in time, because Client would have failed otherwise. */
const diagnosed = (
  name: string,
  lie: (provider: World["portal"]) => unknown,
  verdicts: Record<string, string | RegExp>,
  options: Case["options"] = {},
): Case => ({
  name: `the doctor: ${name}`,
  source: "guide, troubleshooting",
  options,
  lie,
  async act(world) {
    const began = performance.now();
    const { ok, checks } = await world.diagnose();
    expect(performance.now() - began).toBeLessThan(8000);
    const text = JSON.stringify(checks);
    const never = [...secretsOf(world.portal, [], world.url), CANARY];
    expect(never.find((one) => text.includes(one))).toBeUndefined();
    expect(world.portal.issued).toEqual([]);
    for (const [id, verdict] of Object.entries(verdicts))
      expect(checks.find((check) => check.id === id)?.verdict, id).toMatch(verdict);
    expect(ok).toBe(checks.every(({ verdict }) => verdict !== "failed"));
    return world.stranger.fetch(`${world.base}/`);
  },
  outcome: ({ status }) => void expect(status).toBe(200),
});

const BROKEN = {
  "500 with a page": lies.html(500),
  "200 with a page": lies.html(200),
  "a text in JSON": lies.sendJson(200, CANARY),
  null: lies.sendJson(200, null),
  "a good deal of levels": lies.sendText(200, "[".repeat(100_000), { "content-type": "application/json" }),
  silence: lies.silence,
  "half an answer": lies.stopsInTheMiddle,
  "a byte now and then": lies.drips,
  "50 MB": lies.endless,
  "50 MB in a few kilobytes": lies.bomb,
  "1 MB of headers": lies.endlessHeaders,
  "reset at once": lies.resetsAtOnce,
  "no HTTP": lies.speaksInTongues,
  "a redirect elsewhere": lies.sendsElsewhere(302, `http://127.0.0.1:1/?code=${CANARY}#${CANARY}`),
};
const everywhere = (place: string, path: string, verdicts: Record<string, string | RegExp>): Case[] =>
  Object.entries(BROKEN).map(([name, lie]) => {
    // a GET is sent once more after a reset
    const times = lie === lies.resetsAtOnce && path !== TOKEN ? 2 : 1;
    return diagnosed(
      `${place}: ${name}`,
      (provider) => provider.answerNext(path, lie, times),
      verdicts,
      SHORT_TIMEOUT,
    );
  });
const altered = (name: string, members: Record<string, unknown>, verdicts: Record<string, string>): Case =>
  diagnosed(
    name,
    (provider) => provider.alterDiscovery((document) => ({ ...document, ...members })),
    verdicts,
  );
const keysAre = (name: string, keys: unknown[]): Case =>
  diagnosed(name, (provider) => provider.alterKeys(() => ({ keys })), { "portal.keys": "failed" });

attacks("the doctor reports a provider that breaks", [
  ...everywhere("discovery", DISCOVERY, { "portal.discovery": "failed", "portal.keys": "skipped" }),
  ...everywhere("keys", KEYS, { "portal.keys": "failed", "credentials.token": "ok" }),
  ...everywhere("token", TOKEN, { "portal.keys": "ok", "credentials.token": "failed" }),
  ...everywhere("authorization", "/oauth2/authorize", {
    "credentials.token": "ok",
    "credentials.authorize": /./,
  }),
  altered(
    "an issuer of another provider",
    { issuer: "https://evil.example" },
    { "portal.discovery": "failed" },
  ),
  altered(
    "a document whose lists are not lists",
    { scopes_supported: 1, grant_types_supported: {} },
    { "portal.keys": "ok" },
  ),
  altered(
    "lists of any values",
    { token_endpoint_auth_methods_supported: [{}, null, CANARY.length] },
    { "portal.keys": "ok" },
  ),
  keysAre("no keys", []),
  keysAre("keys of any type", [
    null,
    1,
    "x",
    [],
    { kty: 1 },
    { kty: "RSA", kid: { a: 1 } },
    { kty: "oct", k: CANARY },
  ]),
]);
