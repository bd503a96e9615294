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
import { type AppSettings, Host, type ReceivedByApp } from "./host.js";

/** Faulty responses contain it. No response and no line of the log may contain it. */
export const CANARY = "canary-of-a-lying-answer-3f9d1c7a";

/**
 * For faults that consist of silence, in seconds. Long enough for the honest steps of a case on a busy
 * machine.
 */
export const SHORT_TIMEOUT = { httpTimeout: 1 };

/** How the app and its providers are set up. */
export interface Setting {
  readonly options?: Omit<PortalAuthOptions, "hooks" | "clock" | "lock">;
  readonly app?: Omit<AppSettings, "instances">;
  /** The path at which the router is mounted. Default "/". */
  readonly mount?: string;
  /**
   * Whether browsers reach the app over https, via a proxy that ends TLS and sets X-Forwarded-Proto. Default
   * false.
   */
  readonly https?: boolean;
  readonly provider?: Partial<LocalProviderOptions>;
  /** Whether a second router for the same provider and client is mounted at /twin. Default false. */
  readonly twin?: boolean;
  /** A second provider with a router of its own. The attacker controls it. */
  readonly other?: Partial<LocalProviderOptions>;
  /**
   * How that router is mounted: at /other, at /other with the name "staff", or chosen for the host
   * "localhost". Default "at /other".
   */
  readonly otherIs?: "at /other" | "staff" | "a tenant";
}

export interface World {
  readonly host: Host;
  /** The URL at which browsers reach the app, and the URL at which portalAuth is mounted in it. */
  readonly url: string;
  readonly base: string;
  /** The app's own URL, behind the proxy if there is one. */
  readonly appUrl: string;
  readonly provider: LocalProvider;
  /** The second provider, if the setting has one, and the URL at which its router is mounted. */
  readonly other: LocalProvider;
  readonly otherBase: string;
  /** The browser of an honest user, and the attacker's browser. */
  readonly victim: Client;
  readonly attacker: Client;
  /** Opens the inspector in a browser. The app allows that only from this machine and without a proxy. */
  openInspector(client: Client): Promise<void>;
  /** Runs the doctor for the app's router. */
  diagnose(): Promise<Diagnosis>;
  /** Returns what the app's own code has received so far. */
  readReceived(): Promise<ReceivedByApp>;
  /** Returns the signed-in user of this browser, as the app sees it. */
  signedInUser(client: Client, base?: string): Promise<string | undefined>;
  /** Returns the requests that the provider received at this path. */
  requestsTo(path: string): LocalProvider["requests"];
}

/** A row of a table: one attack, and how it must end. */
export interface Case extends Setting {
  /** The attack and its result in words, or the name under which the test was published. */
  readonly name: string;
  /** Specification and section, published plan, or advisory. */
  readonly source: string;
  /** Makes the provider misbehave. */
  readonly fault?: ((provider: LocalProvider, world: World) => unknown) | undefined;
  /** Attacks the app. Default: the victim signs in. `outcome` checks the response that it returns. */
  readonly attack?: (world: World) => Promise<Answer>;
  readonly outcome: Outcome;
}

/** Expects how an attack ends. */
export type Outcome = (answer: Answer, world: World) => unknown;

/** Opens a guarded page in the browser of the victim, who signs in. */
export const signIn = ({ victim, base }: World): Promise<Answer> => victim.visit(`${base}/account`);

/**
 * Runs each case in a world of its own, all of them in one attacked process. A case passes if the outcome is
 * right, every response came in time (Client), and the process still responds. No response, header or log
 * line may contain a secret.
 */
export function describeAttacks(title: string, table: readonly Case[]): void {
  describe(title, () => testEach(table, useHost()));
}

/** Does the same with four processes that share a Redis. Each request goes to the next process. */
export function describeAttacksOnCluster(title: string, table: readonly Case[]): void {
  const name = `${title}, on four processes${noRedis && ` (${noRedis})`}`;
  // one cluster for all tests of a file: its start takes seconds
  if (!noRedis) cluster ??= useHost(() => Cluster.startSeveral(4));
  describe.skipIf(noRedis)(name, () => testEach(table, cluster as () => Host));
}

let cluster: (() => Host) | undefined;

function testEach(table: readonly Case[], host: () => Host): void {
  test.each(table.map((testCase) => [testCase.name, testCase.source, testCase] as const))(
    "%s (%s)",
    async (_name, _source, testCase) => {
      const world = await startWorld(host(), testCase);
      await testCase.fault?.(world.provider, world);
      const answer = await (testCase.attack ?? signIn)(world);
      await testCase.outcome(answer, world);
    },
  );
}

/** Returns the same cases for an app on Express 4. */
export const onExpress4 = (table: readonly Case[]): Case[] =>
  table.map((testCase) => ({ ...testCase, app: { ...testCase.app, expressMajor: 4 } }));

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
  const firstLine = host.log.length;
  const { world, close } = await openWorld(host, setting);
  const { url, appUrl, victim, attacker } = world;
  onTestFinished(async () => {
    await world.openInspector(victim);
    await victim.fetch(`${url}/portal-inspector/events.json`); // its response is searched like all others
    const received = await world.readReceived();
    await close();
    await host.ping();
    const answers = [...victim.answers, ...attacker.answers];
    for (const provider of providersOf(world)) {
      expectNoLeak([...new Set([url, appUrl])], answers, host.log.slice(firstLine), provider);
      const secrets = secretsOf(provider, answers, url);
      expectNoneOf(secrets, [...received.failures, ...received.events]);
      expect(provider.pendingFaults(), "faults that no request has met").toEqual([]);
    }
    expectNoneOf(privateTexts(world), received.events);
  });
  return world;
}

/** Returns the texts that no event may contain: tokens, personal data and the canary. */
function privateTexts(world: World): string[] {
  const tokens = providersOf(world).flatMap(({ issued }) => issued);
  const personal = [world.victim, world.attacker].flatMap(({ user }) => Object.values(user));
  return [
    ...tokens.filter(({ length }) => length > 8),
    ...personal.filter(({ length }) => length > 3),
    CANARY,
  ];
}

function expectNoneOf(secrets: readonly string[], texts: readonly string[]): void {
  for (const secret of secrets) expect(texts.find((text) => text.includes(secret))).toBeUndefined();
}

const providersOf = ({ provider, other }: World): LocalProvider[] =>
  [provider, other].filter((each) => each !== undefined);

export interface OpenedWorld {
  readonly world: World;
  close(): Promise<void>;
}

/** Does the same for a caller that closes the world and searches the responses itself. */
export async function openWorld(host: Host, setting: Setting = {}): Promise<OpenedWorld> {
  const app = await host.open();
  const front = setting.https ? await startTlsFront(() => app.url) : undefined;
  const url = front?.url ?? app.url;
  const { mount = "/" } = setting;
  const base = url + (mount === "/" ? "" : mount);
  const provider = await startProvider(url, setting.twin ? [base, `${url}/twin`] : [base], setting.provider);
  const otherBase = setting.otherIs === "a tenant" ? onLocalhost(url) : `${url}/other`;
  const other = setting.other && (await startProvider(url, [otherBase], setting.other));
  const urls = { url, base, otherBase };
  await host.serve(app, appSettings(setting, urls, provider, other));
  const world: World = {
    host,
    ...urls,
    appUrl: app.url,
    provider,
    other: other as LocalProvider,
    victim: new Client(front?.ca),
    attacker: new Client(front?.ca),
    async openInspector(client) {
      const link = await host.inspectorLink(app, `${url}/portal-inspector/`);
      // Each of several processes has a token of its own, and each request goes to the next process.
      for (let tries = 0; tries < 4; tries += 1) if ((await client.navigate(link)).status === 200) return;
    },
    diagnose: () => host.diagnose(app),
    readReceived: () => host.readReceived(app),
    async signedInUser(client, at = base) {
      return JSON.parse((await client.fetch(`${at}/me`)).body).claims?.sub;
    },
    requestsTo: (path) => provider.requests.filter((request) => request.path === path),
  };
  return {
    world,
    close: async () =>
      void (await Promise.all([provider.close(), other?.close(), host.close(app), front?.close()])),
  };
}

const onLocalhost = (url: string): string => url.replace("127.0.0.1", "localhost");

/** Returns the settings of an app with up to three routers. The last one is the router of the victim. */
function appSettings(
  setting: Setting,
  { url, base, otherBase }: Pick<World, "url" | "base" | "otherBase">,
  provider: LocalProvider,
  other: LocalProvider | undefined,
): AppSettings {
  const instances: AppSettings["instances"][number][] = [];
  if (other) {
    const options = optionsFor(other, otherBase, setting);
    if (setting.otherIs === "staff") options.name = "staff";
    instances.push({ mount: "/other", options });
  }
  if (setting.twin) instances.push({ mount: "/twin", options: optionsFor(provider, `${url}/twin`, setting) });
  instances.push({ mount: setting.mount ?? "/", options: optionsFor(provider, base, setting) });
  const tenants = { localhost: 0, "127.0.0.1": 1 };
  return { ...setting.app, ...(setting.otherIs === "a tenant" && { tenants }), instances };
}

const startProvider = (
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
  { issuer }: LocalProvider,
  base: string,
  { options, provider }: Setting,
): PortalAuthOptions => ({
  issuer,
  profile: provider?.document === "full" ? "openid" : "tencent-ciam",
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
export function expectNoLeak(
  urls: readonly string[],
  answers: Answer[],
  log: string[],
  provider: Pick<LocalProvider, "requests" | "issued">,
): void {
  const ours = answers.filter((answer) => urls.some((url) => answer.url.startsWith(url)));
  const seenTokens = new Set([...provider.issued, CANARY]);
  for (const url of urls) expectNothingSecret({ url, browser: { answers }, log, provider, seenTokens });
  const cookies = ours.flatMap(({ headers }) => headers["set-cookie"] ?? []).map(secretOfCookie);
  expectNoneOf(
    cookies.filter(({ length }) => length > 8),
    [...ours.map(({ body }) => body), ...log],
  );
  // Node has printed no warning either
  expect(log.filter((line) => !line.startsWith("[express-portal-auth] "))).toEqual([]);
}

/** Returns the session id from a session cookie, without its signature. Other cookies: their value. */
const secretOfCookie = (setCookie: string): string => {
  const [, value = ""] = /^[^=]+=([^;]*)/.exec(setCookie) ?? [];
  return /^s%3A([^.]+)\./.exec(value)?.[1] ?? value;
};

/** Returns the state of a login, from the URL at the provider or at the callback. */
export const readState = (url: string | URL | undefined): string =>
  new URL(url ?? "").searchParams.get("state") ?? "";
