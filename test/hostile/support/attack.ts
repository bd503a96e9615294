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

/** Lies carry it; it may be in no answer and in no line of the log. */
export const CANARY = "canary-of-a-lying-answer-3f9d1c7a";

/** For lies that consist of silence, in seconds: long enough for the honest steps of a case on a busy machine. */
export const SHORT_TIMEOUT = { httpTimeout: 1 };

export interface Setting {
  readonly options?: Omit<PortalAuthOptions, "hooks" | "clock" | "lock">;
  readonly app?: Omit<AppSettings, "instances">;
  /** Default "/". */
  readonly mount?: string;
  /** Whether people reach the app over https, by a proxy that ends TLS and tells so. Default false. */
  readonly https?: boolean;
  readonly portal?: Partial<LocalProviderOptions>;
  /** Whether there is a second router for the same portal and client, at /twin. Default false. */
  readonly twin?: boolean;
  /** A second portal, with a router of its own. What it does is up to the attacker. */
  readonly other?: Partial<LocalProviderOptions>;
  /** Where that router is: at /other, there with a name, or chosen where people come by the host "localhost". Default the first. */
  readonly otherIs?: "at /other" | "staff" | "a tenant";
}

export interface World {
  readonly host: Host;
  /** Of the app, as people reach it, and where portalAuth is mounted in it. */
  readonly url: string;
  readonly base: string;
  /** Of the app itself, where something stands in front of it. */
  readonly behind: string;
  readonly portal: LocalProvider;
  /** There where the setting wants it, and where its router is mounted. */
  readonly other: LocalProvider;
  readonly otherBase: string;
  /** An honest person's browser, and the attacker's. */
  readonly victim: Client;
  readonly stranger: Client;
  /** Opens the inspector in a browser, if that comes from this machine without a proxy. */
  openInspector(client: Client): Promise<void>;
  /** What the doctor says of the app's router. */
  diagnose(): Promise<Diagnosis>;
  /** What the app's own code was told so far. */
  told(): Promise<Told>;
  /** Who is logged in there, as the app sees it. */
  whoIs(client: Client, base?: string): Promise<string | undefined>;
  /** Requests that the portal got at this path. */
  asked(path: string): LocalProvider["requests"];
}

/** What stands in a table: one attack, and how it must end. */
export interface Case extends Setting {
  /** A sentence, or the name under which the test was published. */
  readonly name: string;
  /** Specification and section, published plan, or advisory. */
  readonly source: string;
  /** What the portal is asked to do wrong. */
  readonly lie?: ((provider: LocalProvider, world: World) => unknown) | undefined;
  /** What is done to the app; default: the victim logs in. Its last answer is the one that is judged. */
  readonly act?: (world: World) => Promise<Answer>;
  readonly outcome: Outcome;
}

export type Outcome = (answer: Answer, world: World) => unknown;

/** The victim opens a guarded page and signs in. */
export const logIn = ({ victim, base }: World): Promise<Answer> => victim.visit(`${base}/account`);

/**
 * Each case in a world of its own, all of them in one attacked process. It passes when the outcome is right, every answer
 * came in time (Client), the process lives and answers, and nothing secret stands in any answer, header or log line.
 */
export function attacks(title: string, table: readonly Case[]): void {
  describe(title, () => attackEach(table, useHost()));
}

/** The same on four processes that share a Redis, where each request comes to another one. */
export function attacksOnSeveral(title: string, table: readonly Case[]): void {
  const name = `${title}, on four processes${noRedis && ` (${noRedis})`}`;
  if (!noRedis) cluster ??= useHost(() => Cluster.startSeveral(4)); // one for all of a file: it takes seconds
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

/** The same once more, in an app on Express 4. */
export const onExpress4 = (table: readonly Case[]): Case[] =>
  table.map((attack) => ({ ...attack, app: { ...attack.app, expressMajor: 4 } }));

/** A process to attack, for the tests of one describe(). */
export function useHost(start: () => Promise<Host> = () => Host.start()): () => Host {
  let host: Host | undefined;
  beforeAll(async () => {
    host = await start();
  });
  afterAll(() => host?.stop());
  return () => host as Host;
}

/** An app in the attacked process, its portals and two browsers; what was seen is looked through when the test ends. */
export async function startWorld(host: Host, setting: Setting = {}): Promise<World> {
  const logged = host.log.length;
  const { world, close } = await openWorld(host, setting);
  const { url, behind, portal: provider, other, victim, stranger } = world;
  onTestFinished(async () => {
    await world.openInspector(victim);
    await victim.fetch(`${url}/portal-inspector/events.json`); // its answer is looked through like all others
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
      expect(each.pendingFaults(), "lies that nobody has met").toEqual([]);
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

/** The same, for who closes it and looks through what was seen by themselves. */
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
      // each of several processes has a token of its own, and each request comes to the next process
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

/** No code, verifier, token, secret, lie or stack in an answer or the log, and no cookie of ours in a page or the log. */
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
  expect(log.filter((line) => !line.startsWith("[express-portal-auth] "))).toEqual([]); // nor a warning of Node's
}

type Evidence = Pick<LocalProvider, "requests" | "issued">;

/** Of a session's cookie the id alone: that is what tells it. */
const cookieValueOf = (line: string): string => {
  const [, value = ""] = /^[^=]+=([^;]*)/.exec(line) ?? [];
  return /^s%3A([^.]+)\./.exec(value)?.[1] ?? value;
};

/** The state of a login, from the address at the portal or at the callback. */
export const stateOf = (address: string | URL | undefined): string =>
  new URL(address ?? "").searchParams.get("state") ?? "";
