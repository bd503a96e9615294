import { expect, test, vi } from "vitest";
import type { IdTokenChanges, LocalProvider, Responder } from "../../lib/testing/provider/local-provider.js";
import { expectNoLeak, openWorld, SHORT_TIMEOUT, signIn, useHost, type World } from "./support/attack.js";
import { Client, rawRequest, sendRaw } from "./support/client.js";
import { DISCOVERY, KEYS, REVOCATION, TOKEN, USERINFO } from "./support/endpoints.js";
import * as faults from "./support/faulty-responses.js";
import { createAttackerKey, rs256, withExtraMembers } from "./support/jwt.js";

// Sends hostile and honest traffic for a minute, and then expects that the process holds no more memory or
// handles than before. `npm run hostile` does the same for ten minutes.

const { HOSTILE_SECONDS = "60" } = process.env;
const SECONDS = Number(HOSTILE_SECONDS);
/**
 * The time of the same traffic before objects are counted, so that code is compiled and caches are full. A
 * shorter time is not enough on a busy machine, even if the measured time is short.
 */
const WARM_UP_SECONDS = 20;
const A_WEEK_AND_A_DAY = 8 * 86_400;
/** The number of failures that support/attacked-app.mjs remembers. */
const MAX_REMEMBERED = 100;

const host = useHost();

test(
  `holds no more memory or handles after ${SECONDS} s of hostile and honest traffic`,
  async () => {
    // The honest provider gets a long timeout: on a busy machine nothing runs for seconds.
    const honest = await openWorld(host(), {
      provider: { accessTokenSeconds: 2 },
      options: { httpTimeout: 20 },
    });
    const faulty = await openWorld(host(), { options: SHORT_TIMEOUT });
    const undiscovered = await openWorld(host(), { options: SHORT_TIMEOUT });
    const worlds = [honest.world, faulty.world, undiscovered.world] as const;
    let secondsAhead = 0;
    /** Lets all timed state expire and be removed, and measures what remains. */
    async function measure() {
      secondsAhead += A_WEEK_AND_A_DAY;
      await host().advanceClock(A_WEEK_AND_A_DAY);
      for (const world of [honest.world, faulty.world]) {
        world.provider.clearFaults();
        world.provider.setClock(secondsAhead);
        await honestVisit(world);
      }
      for (const world of worlds) await fillFailures(world);
      return { resources: await settled(), heap: await countAtRest() };
    }

    // code that runs for the first time is compiled, and stays in memory
    await traffic(...worlds, WARM_UP_SECONDS, "each action at least once");
    const before = await measure();
    const counts = await traffic(...worlds, SECONDS);
    const after = await measure();
    const actions = counts.honest + counts.hostile;

    console.info(
      `${counts.honest} honest and ${counts.hostile} hostile actions in ${SECONDS} s; ` +
        `${before.heap} objects, functions and texts, then ${after.heap}`,
    );
    // A busy machine runs few actions per second. A quarter is still enough to show growth.
    expect(counts.honest).toBeGreaterThan(SECONDS / 4);
    expect(counts.hostile).toBeGreaterThan(SECONDS / 4);
    expect(tally(after.resources)).toEqual(tally(before.resources));
    // One object for every fiftieth action would exceed this limit.
    expect(after.heap - before.heap).toBeLessThan(Math.max(500, actions / 50));
    await Promise.all([honest.close(), faulty.close(), undiscovered.close()]);
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
      counts.push(await host().countObjects());
      const newest = counts.slice(-3);
      expect(newest).toHaveLength(3);
      expect(Math.max(...newest) - Math.min(...newest)).toBeLessThan(200);
      return Math.min(...newest);
    },
    { timeout: 90_000, interval: 1500 },
  );
}

type Action = (turn: number) => Promise<unknown>;

async function traffic(
  honest: World,
  faulty: World,
  undiscovered: World,
  seconds: number,
  minimum: "each action at least once" | "none" = "none",
) {
  const end = performance.now() + seconds * 1000;
  const counts = { honest: 0, hostile: 0 };
  /** Runs several loops at once, which share the actions. */
  const repeat = (kind: keyof typeof counts, action: Action, loops: number, actions: number) =>
    Array.from({ length: loops }, async (_, loop) => {
      const share = Math.ceil(actions / loops);
      const first = loop * share;
      const needed = minimum === "none" ? first : first + share;
      for (let turn = first; turn < needed || performance.now() < end; turn += 1) {
        await action(turn);
        counts[kind] += 1;
      }
    });
  await Promise.all([
    ...repeat("honest", () => honestVisit(honest), 3, 3),
    ...repeat("hostile", (turn) => attackApp(honest, turn), 4, ATTACKS.length),
    ...repeat("hostile", (turn) => signInAtFaultyProvider(faulty, turn), 2, FAULTS.length),
    ...repeat("hostile", (turn) => signInWithoutDiscovery(undiscovered, turn), 1, FAULTY_RESPONSES.length),
  ]);
  return counts;
}

/** Fills the list of failures that the attacked apps remember, with the same failure each time. */
async function fillFailures({ base }: World): Promise<void> {
  for (let count = 0; count < MAX_REMEMBERED; count += 1) await new Client().navigate(`${base}/callback`);
}

/** Signs in, uses the pages, refreshes a token and signs out, and expects each step to work. */
async function honestVisit(world: World): Promise<void> {
  const { base } = world;
  const client = new Client();
  const page = await client.visit(`${base}/account`);
  expect([page.status, page.body]).toEqual([200, '{"sub":"amara-okafor"}']);
  for (let count = 0; count < 3; count += 1) expect(await world.signedInUser(client)).toBe("amara-okafor");
  const tokens = await Promise.all([1, 2, 3].map(() => client.fetch(`${base}/token`)));
  for (const token of tokens) expect(token).toMatchObject({ status: 200 });
  expect(await client.fetch(`${base}/userinfo`)).toMatchObject({ status: 200 });
  const signedOut = await client.visit(`${base}/logout`, { site: "same-origin" });
  expect([signedOut.status, await world.signedInUser(client)]).toEqual([200, undefined]);
  searchResponses(world, client);
}

/** Searches every response for the tokens of this provider. */
function searchResponses(world: World, client: Client): void {
  const { provider, url } = world;
  const newest = { requests: provider.requests.slice(-50), issued: provider.issued.slice(-50) };
  expectNoLeak([url], client.answers, host().log.splice(0), newest);
}

const LONG = "a".repeat(9000);
const garbled = { cookie: "portal-login.AAAAAAAA0=eyJ.x..; portal-session=s%3Aabc.def; %E0%A4%A=1" };

const ATTACKS: readonly ((base: string, client: Client, url: string) => Promise<unknown>)[] = [
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
    await Promise.all([1, 2, 3].map(() => client.navigate(callback))); // without a sign-out
  },
  async (base, client) => new Client().navigate(await client.loginUntilCallback(`${base}/login`)),
  (_base, client, url) =>
    sendRaw(client, url, rawRequest("GET /callback?state=\u00e9 HTTP/1.1", [`Cookie: ${";=".repeat(4000)}`])),
  (_base, client, url) =>
    sendRaw(client, url, rawRequest("POST /callback HTTP/1.1", ["Content-Length: 5", "Content-Length: 6"])),
  (_base, client, url) => sendRaw(client, url, "\x16\x03\x01\x02\x00\x01"),
];

async function attackApp(world: World, turn: number): Promise<void> {
  const client = new Client();
  await (ATTACKS[turn % ATTACKS.length] as (typeof ATTACKS)[number])(world.base, client, world.url);
  for (const { status } of client.answers) expect(status).toBeLessThan(500);
  searchResponses(world, client);
}

const FAULTY_RESPONSES: readonly Responder[] = [
  faults.sendHtml(500),
  faults.sendHtml(200),
  faults.neverResponds,
  faults.sendsSlowly,
  faults.stopsMidway,
  faults.hugeBody,
  faults.gzipBomb,
  faults.hugeHeaders,
  faults.resetsAtOnce,
  faults.resetsInTheHeaders,
  faults.resetsInTheBody,
  faults.endsBeforeLength,
  faults.sendsOtherProtocol,
  faults.redirectsTo(307, "http://127.0.0.1:1/"),
  faults.sendJson(400, { error: "invalid_grant" }),
];

const evil = createAttackerKey();
/** The subject of forged ID tokens, which the app must never show. */
const ATTACKER_SUB = "mallory";
const attackerToken: IdTokenChanges = {
  claims: { sub: ATTACKER_SUB },
  forge: rs256(evil.privateKey, { jwk: evil.jwk, kid: "evil" }),
};
const invalidToken: IdTokenChanges = {
  forge: withExtraMembers(`"sub":"${ATTACKER_SUB}","__proto__":{"isAdmin":true},"exp":"never"`),
};

const FAULTS: readonly ((provider: LocalProvider) => void)[] = [
  (provider) => provider.nextIdToken(attackerToken),
  (provider) => provider.nextIdToken(invalidToken),
  ...FAULTY_RESPONSES.flatMap((fault) => [
    ...[TOKEN, USERINFO, REVOCATION].map(
      (path) => (provider: LocalProvider) => provider.answerNext(path, fault),
    ),
    (provider: LocalProvider) => {
      provider.nextIdToken(attackerToken); // the app fetches the keys to verify it
      provider.answerNext(KEYS, fault);
    },
  ]),
];

/** Signs in at a provider that misbehaves, and expects a status that the package documents. */
async function signInAtFaultyProvider(world: World, turn: number): Promise<void> {
  const client = new Client();
  (FAULTS[turn % FAULTS.length] as (typeof FAULTS)[number])(world.provider);
  const answers = [await client.visit(`${world.base}/account`), await client.fetch(`${world.base}/userinfo`)];
  answers.push(await client.visit(`${world.base}/logout`, { site: "same-origin" }));
  for (const { status } of answers) expect([200, 400, 401, 403, 502, 503]).toContain(status);
  expect(client.answers.filter(({ body }) => body.includes(ATTACKER_SUB))).toEqual([]);
  searchResponses(world, client);
}

/** Signs in at a provider whose discovery document is always faulty. */
async function signInWithoutDiscovery(world: World, turn: number): Promise<void> {
  const victim = new Client();
  // a reset is retried once
  world.provider.answerNext(DISCOVERY, FAULTY_RESPONSES[turn % FAULTY_RESPONSES.length] as Responder, 2);
  const { status } = await signIn({ ...world, victim });
  expect([502, 503]).toContain(status);
  searchResponses(world, victim);
}
