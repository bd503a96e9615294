import type { Application } from "express";
import type { PortalAuthError } from "../errors/portal-auth-error.js";
import { createDiscovery, type Provider } from "../provider/discovery.js";
import { readDocument } from "../provider/provider-probe.js";
import { getProbeUrl } from "../provider/server-url.js";
import type { PortalAuthOptions } from "../settings/portal-auth-options.js";
import { resolveOptions } from "../settings/resolve-options.js";
import type { Settings } from "../settings/settings.js";
import { findVariableTypos } from "../settings/variable-typos.js";
import { type Check, type CheckGroup, checksOf, GROUPS } from "./check.js";
import { checkAuthorization, checkCredentials, credentialsSkipped } from "./check-credentials.js";
import { checkOptions } from "./check-options.js";
import {
  checkClock,
  checkConnection,
  checkDocument,
  checkKeys,
  discoveryFailed,
  withoutPortal,
} from "./check-provider.js";
import { checkAnswered, checkCookies, checkRedirect, type TrustProxy } from "./check-redirect.js";
import { checkStore } from "./check-store.js";
import { type Connection, probeConnection } from "./probe-connection.js";

/** What diagnose() looks at beside the options. */
export interface DiagnoseOptions {
  /** Default process.env. */
  readonly env?: NodeJS.ProcessEnv;
  /** The application, to look at its `trust proxy`. */
  readonly app?: Application;
  /** Groups that are left out, e.g. `["credentials"]` for a readiness route that is asked every second. Default none. */
  readonly skip?: readonly CheckGroup[];
}

/** What diagnose() has found. */
export interface Diagnosis {
  /** Whether a login can work: no check has failed. */
  readonly ok: boolean;
  /** Each thing that was looked at, in the order in which it should be put right. */
  readonly checks: readonly Check[];
}

/** See index.ts, which loads this. */
export async function diagnose(
  options: PortalAuthOptions,
  { env, app, skip = [] }: DiagnoseOptions,
): Promise<Diagnosis> {
  const unknown = skip.find((group) => !GROUPS.includes(group));
  if (unknown !== undefined)
    throw new TypeError(`diagnose: there is no group ${unknown}; there are ${GROUPS.join(", ")}`);
  const resolved = resolveOptions(options, env);
  const { settings } = resolved;
  const wants: Wants = (group) => !skip.includes(group);
  const rest = settings
    ? await checkSettings(settings, proxyOf(app), wants)
    : notYet.filter(({ group }) => wants(group));
  const checks = [...(wants("options") ? checkOptions(resolved, findVariableTypos(env)) : []), ...rest];
  const isOk = settings !== undefined && checks.every(({ verdict }) => verdict !== "failed");
  return { ok: isOk, checks };
}

/** Half of the options say nothing sure about the rest. */
const notYet: readonly Check[] = (["portal", "credentials", "redirect", "cookies", "store"] as const).map(
  (group) => checksOf(group).skipped("options", "not looked at before the options are right"),
);

const proxyOf = (app: Application | undefined): TrustProxy =>
  app && { trusts: Boolean(app.get("trust proxy")) };

type Wants = (group: CheckGroup) => boolean;

async function checkSettings(settings: Settings, proxy: TrustProxy, wants: Wants): Promise<Check[]> {
  const [atPortal, answered, inStore] = await Promise.all([
    wants("portal") || wants("credentials") ? checkPortal(settings, wants) : [],
    wants("redirect") ? checkAnswered(settings) : [],
    wants("store") ? checkStore(settings) : [],
  ]);
  return [
    ...atPortal,
    ...(wants("redirect") ? checkRedirect(settings) : []),
    ...answered,
    ...(wants("cookies") ? checkCookies(settings, proxy) : []),
    ...inStore,
  ];
}

/** One after the other: what comes later needs what came before. */
async function checkPortal(settings: Settings, wants: Wants): Promise<Check[]> {
  const [connection, found] = await Promise.all([
    probeConnection(getProbeUrl(settings), settings.httpTimeout),
    discovered(settings),
  ]);
  const first = (seen: Connection) => (wants("portal") ? checkConnection(seen) : []);
  const cannotGoOn = (reason: string) => [
    ...(wants("portal") ? withoutPortal(reason) : []),
    ...(wants("credentials") ? credentialsSkipped(reason) : []),
  ];
  // a plain socket does not know the way out that fetch has been told of: a proxy
  if (found.portal && connection.failure)
    return [
      ...first({ host: `${connection.host} (by a proxy)` }),
      ...(await checkDiscovered(found.portal, wants)),
    ];
  if (found.portal) return [...first(connection), ...(await checkDiscovered(found.portal, wants))];
  if (connection.failure) return [...first(connection), ...cannotGoOn("the portal cannot be reached")];
  return [
    ...first(connection),
    discoveryFailed(found.failure),
    ...cannotGoOn("without the discovery document"),
  ];
}

type Discovered =
  | { readonly portal: Provider; readonly failure?: never }
  | { readonly portal?: never; readonly failure: PortalAuthError };

const discovered = (settings: Settings): Promise<Discovered> =>
  createDiscovery(settings)().then(
    (provider) => ({ portal: provider }),
    (failure: PortalAuthError) => ({ failure }),
  );

async function checkDiscovered(provider: Provider, wants: Wants): Promise<Check[]> {
  const { document, aheadSeconds } = await readDocument(provider).catch(() => NOTHING_READ);
  const keys = wants("portal") ? checkKeys(provider) : undefined;
  const credentials = wants("credentials") ? [checkCredentials(provider), checkAuthorization(provider)] : [];
  return [
    ...(wants("portal") ? checkDocument(provider, document) : []),
    ...(keys ? [await keys, checkClock(aheadSeconds, provider.settings)] : []),
    ...(await Promise.all(credentials)),
  ];
}

/** It was read a moment ago. */
const NOTHING_READ = { document: {}, aheadSeconds: undefined };
