import { expect, test, vi } from "vitest";
import type {
  IdTokenChanges,
  LocalProvider,
  Responder as PortalAnswer,
} from "../../lib/testing/provider/local-provider.js";
import { expectNothingTold, logIn, openWorld, SHORT_TIMEOUT, useHost, type World } from "./support/attack.js";
import { Client, rawRequest, sendRaw } from "./support/client.js";
import { rs256, strangersKey, withMembers } from "./support/jwt.js";
import * as lies from "./support/lies.js";
import { DISCOVERY, KEYS, REVOCATION, TOKEN, USERINFO } from "./support/places.js";

// Sends hostile and honest traffic for a minute, and then expects everything to be as before. Ten minutes and
// more: `npm run hostile`.

const { HOSTILE_SECONDS = "60" } = process.env;
const SECONDS = Number(HOSTILE_SECONDS);
/**
 * The same traffic before objects are counted, so that code is compiled and caches are full. A shorter time
 * is not enough on a busy machine, even if the measured time is short.
 */
const WARM_UP_SECONDS = 20;
const A_WEEK_AND_A_DAY = 8 * 86_400;
/** The number that support/attacked-app.mjs remembers. */
const MOST_FAILURES = 100;

const host = useHost();

test(
  `works, and holds no more memory or handles, after ${SECONDS} s of hostile and honest traffic`,
  async () => {
    // The honest provider gets a long timeout: on a busy machine nothing runs for seconds.
    const honest = await openWorld(host(), {
      portal: { accessTokenSeconds: 2 },
      options: { httpTimeout: 20 },
    });
    const lying = await openWorld(host(), { options: SHORT_TIMEOUT });
    const unknown = await openWorld(host(), { options: SHORT_TIMEOUT });
    const all = [honest.world, lying.world, unknown.world] as const;
    let ahead = 0;
    /** All timed state has expired, and one more request lets the app remove it. */
    async function rest() {
      ahead += A_WEEK_AND_A_DAY;
      await host().later(A_WEEK_AND_A_DAY);
      for (const world of [honest.world, lying.world]) {
        world.portal.clearFaults();
        world.portal.setClock(ahead);
        await honestJourney(world);
      }
      for (const world of all) await failAlike(world);
      return { resources: await settled(), heap: await countAtRest() };
    }

    // code that runs for the first time is compiled, and stays in memory
    await traffic(...all, WARM_UP_SECONDS, "each act once at least");
    const before = await rest();
    const counts = await traffic(...all, SECONDS);
    const after = await rest();
    const acts = counts.honest + counts.hostile;

    console.info(
      `${counts.honest} honest and ${counts.hostile} hostile acts in ${SECONDS} s; ` +
        `${before.heap} objects, functions and texts, then ${after.heap}`,
    );
    expect(counts.honest).toBeGreaterThan(SECONDS);
    expect(counts.hostile).toBeGreaterThan(SECONDS);
    expect(tally(after.resources)).toEqual(tally(before.resources));
    // If each fiftieth act left one object behind, there would be this many.
    expect(after.heap - before.heap).toBeLessThan(Math.max(500, acts / 50));
    await Promise.all([honest.close(), lying.close(), unknown.close()]);
  },
  (SECONDS + WARM_UP_SECONDS) * 1000 + 300_000,
);

function tally(resources: readonly string[]): Record<string, number> {
  const counted: Record<string, number> = {};
  for (const name of [...resources].sort()) counted[name] = (counted[name] ?? 0) + 1;
  return counted;
}

/** Returns what keeps the process busy after idle connections are closed and scheduled callbacks have run. */
async function settled(): Promise<string[]> {
  return vi.waitFor(
    async () => {
      const resources = await host().resources();
      expect(resources.filter((name) => /TCPSocketWrap|Timeout|Immediate|HTTP/.test(name))).toEqual([]);
      return resources;
    },
    { timeout: 20_000, interval: 250 },
  );
}

/** Timers keep their objects in memory until they fire, so this counts until the number stops falling. */
function countAtRest(): Promise<number> {
  const counts: number[] = [];
  return vi.waitFor(
    async () => {
      counts.push(await host().count());
      const newest = counts.slice(-3);
      expect(newest).toHaveLength(3);
      expect(Math.max(...newest) - Math.min(...newest)).toBeLessThan(200);
      return Math.min(...newest);
    },
    { timeout: 90_000, interval: 1500 },
  );
}

type Act = (turn: number) => Promise<unknown>;

async function traffic(
  honest: World,
  lying: World,
  unknown: World,
  seconds: number,
  least: "each act once at least" | "none" = "none",
) {
  const end = performance.now() + seconds * 1000;
  const counts = { honest: 0, hostile: 0 };
  /** Runs several loops at once, which share the acts. */
  const repeat = (kind: keyof typeof counts, act: Act, several: number, acts: number) =>
    Array.from({ length: several }, async (_, one) => {
      const share = Math.ceil(acts / several);
      const first = one * share;
      const needed = least === "none" ? first : first + share;
      for (let turn = first; turn < needed || performance.now() < end; turn += 1) {
        await act(turn);
        counts[kind] += 1;
      }
    });
  await Promise.all([
    ...repeat("honest", () => honestJourney(honest), 3, 3),
    ...repeat("hostile", (turn) => strangersAct(honest, turn), 4, STRANGE.length),
    ...repeat("hostile", (turn) => liarsVictim(lying, turn), 2, LIES.length),
    ...repeat("hostile", (turn) => strangersPortal(unknown, turn), 1, BROKEN.length),
  ]);
  return counts;
}

/**
 * The attacked apps remember the last arguments of their onError hook, so this is the same failure each time.
 */
async function failAlike({ base }: World): Promise<void> {
  for (let count = 0; count < MOST_FAILURES; count += 1) await new Client().navigate(`${base}/callback`);
}

/** Signs in, uses the pages, refreshes a token and signs out, and expects each step to work. */
async function honestJourney(world: World): Promise<void> {
  const { base } = world;
  const client = new Client();
  const page = await client.visit(`${base}/account`);
  expect([page.status, page.body]).toEqual([200, '{"sub":"amara-okafor"}']);
  for (let look = 0; look < 3; look += 1) expect(await world.whoIs(client)).toBe("amara-okafor");
  const tokens = await Promise.all([1, 2, 3].map(() => client.fetch(`${base}/token`)));
  for (const token of tokens) expect(token).toMatchObject({ status: 200 });
  expect(await client.fetch(`${base}/userinfo`)).toMatchObject({ status: 200 });
  const farewell = await client.visit(`${base}/logout`, { site: "same-origin" });
  expect([farewell.status, await world.whoIs(client)]).toEqual([200, undefined]);
  look(world, client);
}

/** Every response is searched for the tokens of this provider. */
function look(world: World, client: Client): void {
  const { portal: provider, url } = world;
  const newest = { requests: provider.requests.slice(-50), issued: provider.issued.slice(-50) };
  expectNothingTold([url], client.answers, host().log.splice(0), newest);
}

const LONG = "a".repeat(9000);
const garbled = { cookie: "portal-login.AAAAAAAA0=eyJ.x..; portal-session=s%3Aabc.def; %E0%A4%A=1" };

const STRANGE: readonly ((base: string, client: Client, url: string) => Promise<unknown>)[] = [
  (base, client) => client.navigate(`${base}/callback?state=${Math.random()}&code=x`),
  (base, client) => client.navigate(`${base}/callback?state=a&state=b&code[]=x`),
  (base, client) => client.navigate(`${base}/callback?state=a&error=<script>${LONG}`),
  (base, client) => client.navigate(`${base}/callback`, { headers: garbled }),
  (base, client) => client.fetch(`${base}/account`, { headers: garbled }),
  (base, client) => client.navigate(`${base}/login?returnTo=//evil.example/${LONG}`),
  (base, client) => client.navigate(`${base}/logout`, { site: "cross-site" }),
  (base, client) =>
    client.navigate(`${base}/callback`, { method: "POST", form: { state: "a", code: LONG.repeat(8) } }),
  async (base, client) => {
    for (let count = 0; count < 8; count += 1) await client.navigate(`${base}/account`);
  },
  async (base, client) => {
    const callback = await client.loginUntilCallback(`${base}/login`);
    await Promise.all([1, 2, 3].map(() => client.navigate(callback))); // and never signs out
  },
  async (base, client) => new Client().navigate(await client.loginUntilCallback(`${base}/login`)),
  (_base, client, url) =>
    sendRaw(client, url, rawRequest("GET /callback?state=\u00e9 HTTP/1.1", [`Cookie: ${";=".repeat(4000)}`])),
  (_base, client, url) =>
    sendRaw(client, url, rawRequest("POST /callback HTTP/1.1", ["Content-Length: 5", "Content-Length: 6"])),
  (_base, client, url) => sendRaw(client, url, "\x16\x03\x01\x02\x00\x01"),
];

async function strangersAct(world: World, turn: number): Promise<void> {
  const client = new Client();
  await (STRANGE[turn % STRANGE.length] as (typeof STRANGE)[number])(world.base, client, world.url);
  for (const { status } of client.answers) expect(status).toBeLessThan(500);
  look(world, client);
}

const BROKEN: readonly PortalAnswer[] = [
  lies.html(500),
  lies.html(200),
  lies.silence,
  lies.drips,
  lies.stopsInTheMiddle,
  lies.endless,
  lies.bomb,
  lies.endlessHeaders,
  lies.resetsAtOnce,
  lies.resetsInTheHeaders,
  lies.resetsInTheBody,
  lies.endsTooEarly,
  lies.speaksInTongues,
  lies.sendsElsewhere(307, "http://127.0.0.1:1/"),
  lies.sendJson(400, { error: "invalid_grant" }),
];

const evil = strangersKey();
/** The subject of forged ID tokens, which the app must never show. */
const NOBODY = "mallory";
const strangersToken: IdTokenChanges = {
  claims: { sub: NOBODY },
  forge: rs256(evil.privateKey, { jwk: evil.jwk, kid: "evil" }),
};
const endlessToken: IdTokenChanges = {
  forge: withMembers(`"sub":"${NOBODY}","__proto__":{"isAdmin":true},"exp":"never"`),
};

const LIES: readonly ((provider: LocalProvider) => void)[] = [
  (provider) => provider.nextIdToken(strangersToken),
  (provider) => provider.nextIdToken(endlessToken),
  ...BROKEN.flatMap((lie) => [
    ...[TOKEN, USERINFO, REVOCATION].map(
      (path) => (provider: LocalProvider) => provider.answerNext(path, lie),
    ),
    (provider: LocalProvider) => {
      provider.nextIdToken(strangersToken); // whose key the app fetches
      provider.answerNext(KEYS, lie);
    },
  ]),
];

/** Signs in at a provider that misbehaves, and expects a status that the package documents. */
async function liarsVictim(world: World, turn: number): Promise<void> {
  const client = new Client();
  (LIES[turn % LIES.length] as (typeof LIES)[number])(world.portal);
  const answers = [await client.visit(`${world.base}/account`), await client.fetch(`${world.base}/userinfo`)];
  answers.push(await client.visit(`${world.base}/logout`, { site: "same-origin" }));
  for (const { status } of answers) expect([200, 400, 401, 403, 502, 503]).toContain(status);
  expect(client.answers.filter(({ body }) => body.includes(NOBODY))).toEqual([]);
  look(world, client);
}

/** Signs in at a provider whose discovery document is always faulty. */
async function strangersPortal(world: World, turn: number): Promise<void> {
  const victim = new Client();
  // a reset is retried once
  world.portal.answerNext(DISCOVERY, BROKEN[turn % BROKEN.length] as PortalAnswer, 2);
  const { status } = await logIn({ ...world, victim });
  expect([502, 503]).toContain(status);
  look(world, victim);
}
