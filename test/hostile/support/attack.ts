import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import type { Diagnosis, PortalAuthOptions } from "../../../lib/index.js";
import {
  type LocalProvider,
  type LocalProviderOptions,
  startLocalProvider,
} from "../../../lib/testing/provider/local-provider.js";
import type { Answer } from "../../support/browser.js";
import { noRedis } from "../../support/servers/redis.mjs";
import { startTlsFront } from "../../support/tls-front.js";
import {
  CLIENT_ID,
  CLIENT_SECRET,
  expectNothingSecret,
  SESSION_SECRET,
  secretsOf,
} from "../../support/world.js";
import { Client } from "./client.js";
import { Cluster } from "./cluster.js";
import { type AppSettings, Host, type Told } from "./host.js";

/** Faulty responses contain it. No response and no line of the log may contain it. */
export const CANARY = "canary-of-a-lying-answer-3f9d1c7a";

/**
 * For faults that consist of silence, in seconds. Long enough for the honest steps of a case on a busy
 * machine.
 */
export const SHORT_TIMEOUT = { httpTimeout: 1 };

export interface Setting {
  readonly options?: Omit<PortalAuthOptions, "hooks" | "clock" | "lock">;
  readonly app?: Omit<AppSettings, "instances">;
  /** Default "/". */
  readonly mount?: string;
  /**
   * Whether browsers reach the app over https, via a proxy that ends TLS and sets X-Forwarded-Proto. Default
   * false.
   */
  readonly https?: boolean;
  readonly portal?: Partial<LocalProviderOptions>;
  /** Whether a second router for the same provider and client is mounted at /twin. Default false. */
  readonly twin?: boolean;
  /** A second provider with a router of its own. The attacker controls it. */
  readonly other?: Partial<LocalProviderOptions>;
  /**
   * How that router is mounted: at /other, at /other with a name, or chosen for the host "localhost". Default
   * "at /other".
   */
  readonly otherIs?: "at /other" | "staff" | "a tenant";
}

export interface World {
  readonly host: Host;
  /** The URL at which browsers reach the app, and the URL at which portalAuth is mounted in it. */
  readonly url: string;
  readonly base: string;
  /** The app's own URL, behind the proxy if there is one. */
  readonly behind: string;
  readonly portal: LocalProvider;
  /** The second provider, if the setting has one, and the URL at which its router is mounted. */
  readonly other: LocalProvider;
  readonly otherBase: string;
  /** The browser of an honest user, and the attacker's browser. */
  readonly victim: Client;
  readonly stranger: Client;
  /** Opens the inspector in a browser. The app allows that only from this machine and without a proxy. */
  openInspector(client: Client): Promise<void>;
  /** Runs the doctor for the app's router. */
  diagnose(): Promise<Diagnosis>;
  /** Returns what the app's own code has received so far. */
  told(): Promise<Told>;
  /** Returns the signed-in user of this browser, as the app sees it. */
  whoIs(client: Client, base?: string): Promise<string | undefined>;
  /** Returns the requests that the provider received at this path. */
  asked(path: string): LocalProvider["requests"];
}

/** A row of a table: one attack, and how it must end. */
export interface Case extends Setting {
  /** A sentence, or the name under which the test was published. */
  readonly name: string;
  /** Specification and section, published plan, or advisory. */
  readonly source: string;
  /** Makes the provider misbehave. */
  readonly lie?: ((provider: LocalProvider, world: World) => unknown) | undefined;
  /** Attacks the app. Default: the victim logs in. Its last response is the one that is judged. */
  readonly act?: (world: World) => Promise<Answer>;
  readonly outcome: Outcome;
}

export type Outcome = (answer: Answer, world: World) => unknown;

/** The victim opens a guarded page and signs in. */
export const logIn = ({ victim, base }: World): Promise<Answer> => victim.visit(`${base}/account`);

/**
 * Runs each case in a world of its own, all of them in one attacked process. A case passes if the outcome is
 * right, every response came in time (Client), and the process still responds. No response, header or log
 * line may contain a secret.
 */
export function attacks(title: string, table: readonly Case[]): void {
  describe(title, () => attackEach(table, useHost()));
}

/** Does the same with four processes that share a Redis. Each request goes to the next process. */
export function attacksOnSeveral(title: string, table: readonly Case[]): void {
  const name = `${title}, on four processes${noRedis && ` (${noRedis})`}`;
  // one cluster for all tests of a file: its start takes seconds
  if (!noRedis) cluster ??= useHost(() => Cluster.startSeveral(4));
  describe.skipIf(noRedis)(name, () => attackEach(table, cluster as () => Host));
}

let cluster: (() => Host) | undefined;

function attackEach(table: readonly Case[], host: () => Host): void {
  test.each(table.map((attack) => [attack.name, attack.source, attack] as const))(
    "%s (%s)",
    async (_name, _source, attack) => {
      const world = await startWorld(host(), attack);
      await attack.lie?.(world.portal, world);
      const answer = await (attack.act ?? logIn)(world);
      await attack.outcome(answer, world);
    },
  );
}

/** Returns the same cases for an app on Express 4. */
export const onExpress4 = (table: readonly Case[]): Case[] =>
  table.map((attack) => ({ ...attack, app: { ...attack.app, expressMajor: 4 } }));

/** Starts a process to attack, for the tests of one describe(). */
export function useHost(start: () => Promise<Host> = () => Host.start()): () => Host {
  let host: Host | undefined;
  beforeAll(async () => {
    host = await start();
  });
  afterAll(() => host?.stop());
  return () => host as Host;
}

/**
 * Creates an app in the attacked process, its providers and two browsers. When the test ends, all responses
 * and log lines are searched for secrets.
 */
export async function startWorld(host: Host, setting: Setting = {}): Promise<World> {
  const logged = host.log.length;
  const { world, close } = await openWorld(host, setting);
  const { url, behind, portal: provider, other, victim, stranger } = world;
  onTestFinished(async () => {
    await world.openInspector(victim);
    await victim.fetch(`${url}/portal-inspector/events.json`); // its response is searched like all others
    const { failures, events } = await world.told();
    await close();
    await host.ping();
    const answers = [...victim.answers, ...stranger.answers];
    for (const each of other ? [provider, other] : [provider]) {
      expectNothingTold([...new Set([url, behind])], answers, host.log.slice(logged), each);
      const secrets = secretsOf(each, answers, url);
      expect(
        secrets.find((secret) => [...failures, ...events].some((text) => text.includes(secret))),
      ).toBeUndefined();
      expect(each.pendingFaults(), "faults that no request has met").toEqual([]);
    }
    const tokens = [provider, other].flatMap((each) => each?.issued ?? []).filter(({ length }) => length > 8);
    const personal = [victim, stranger]
      .flatMap(({ person }) => Object.values(person))
      .filter(({ length }) => length > 3);
    for (const never of [...tokens, ...personal, CANARY])
      expect(events.find((event) => event.includes(never))).toBeUndefined();
  });
  return world;
}

export interface OpenedWorld {
  readonly world: World;
  close(): Promise<void>;
}

/** Does the same for a caller that closes the world and searches the responses itself. */
export async function openWorld(host: Host, setting: Setting = {}): Promise<OpenedWorld> {
  const { mount = "/" } = setting;
  const app = await host.open();
  const front = setting.https ? await startTlsFront(() => app.url) : undefined;
  const url = front?.url ?? app.url;
  const base = url + (mount === "/" ? "" : mount);
  const provider = await registeredPortal(url, setting.twin ? [base, `${url}/twin`] : [base], setting.portal);
  const { otherIs } = setting;
  const isTenant = otherIs === "a tenant";
  const otherBase = isTenant ? url.replace("127.0.0.1", "localhost") : `${url}/other`;
  const other = setting.other && (await registeredPortal(url, [otherBase], setting.other));
  const named = otherIs === "staff" && { name: "staff" };
  await host.begin(app, {
    ...setting.app,
    ...(isTenant && { tenants: { localhost: 0, "127.0.0.1": 1 } }),
    instances: [
      ...(other
        ? [{ mount: "/other", options: { ...optionsFor(other, otherBase, setting), ...named } }]
        : []),
      ...(setting.twin ? [{ mount: "/twin", options: optionsFor(provider, `${url}/twin`, setting) }] : []),
      { mount, options: optionsFor(provider, base, setting) },
    ],
  });
  const world: World = {
    host,
    url,
    behind: app.url,
    base,
    portal: provider,
    other: other as LocalProvider,
    otherBase,
    victim: new Client(front?.ca),
    stranger: new Client(front?.ca),
    async openInspector(client) {
      const link = await host.inspectorLink(app, `${url}/portal-inspector/`);
      // Each of several processes has a token of its own, and each request goes to the next process.
      for (let tries = 0; tries < 4; tries += 1) if ((await client.navigate(link)).status === 200) return;
    },
    diagnose: () => host.diagnose(app),
    told: () => host.told(app),
    async whoIs(client, at = base) {
      return JSON.parse((await client.fetch(`${at}/me`)).body).claims?.sub;
    },
    asked: (path) => provider.requests.filter((request) => request.path === path),
  };
  return {
    world,
    close: async () =>
      void (await Promise.all([provider.close(), other?.close(), host.close(app), front?.close()])),
  };
}

const registeredPortal = (
  url: string,
  bases: string[],
  options?: Partial<LocalProviderOptions>,
): Promise<LocalProvider> =>
  startLocalProvider({
    clientId: CLIENT_ID,
    clientSecret: CLIENT_SECRET,
    redirectUris: bases.map((base) => `${base}/callback`),
    logoutRedirectUris: [`${url}/`],
    ...options,
  });

const optionsFor = (
  provider: LocalProvider,
  base: string,
  { options, portal: wished }: Setting,
): PortalAuthOptions => ({
  issuer: provider.issuer,
  profile: wished?.document === "full" ? "openid" : "tencent-ciam",
  clientId: CLIENT_ID,
  clientSecret: CLIENT_SECRET,
  redirectUri: `${base}/callback`,
  secret: SESSION_SECRET,
  ...options,
});

/**
 * Expects no code, verifier, token, secret, canary or stack in a response or the log. Neither a page nor the
 * log may contain a cookie of ours.
 */
export function expectNothingTold(
  urls: readonly string[],
  answers: Answer[],
  log: string[],
  portal: Evidence,
): void {
  const ours = answers.filter((answer) => urls.some((url) => answer.url.startsWith(url)));
  const seenTokens = new Set([...portal.issued, CANARY]);
  for (const url of urls) expectNothingSecret({ url, browser: { answers }, log, portal, seenTokens });
  const cookies = ours.flatMap(({ headers }) => headers["set-cookie"] ?? []).map(cookieValueOf);
  for (const text of [...ours.map(({ body }) => body), ...log])
    expect(cookies.find((value) => value.length > 8 && text.includes(value))).toBeUndefined();
  // Node has printed no warning either
  expect(log.filter((line) => !line.startsWith("[express-portal-auth] "))).toEqual([]);
}

type Evidence = Pick<LocalProvider, "requests" | "issued">;

/**
 * Returns the id in a session's cookie, because the id alone gives it away. Returns the whole value of other
 * cookies.
 */
const cookieValueOf = (line: string): string => {
  const [, value = ""] = /^[^=]+=([^;]*)/.exec(line) ?? [];
  return /^s%3A([^.]+)\./.exec(value)?.[1] ?? value;
};

/** Returns the state of a login, from the URL at the provider or at the callback. */
export const stateOf = (address: string | URL | undefined): string =>
  new URL(address ?? "").searchParams.get("state") ?? "";
