import type { Application } from "express";
import type { PortalAuthError } from "../errors/portal-auth-error.js";
import { createDiscovery, type Provider } from "../provider/discovery.js";
import { readDocument } from "../provider/provider-probe.js";
import { getProbeUrl } from "../provider/server-url.js";
import type { PortalAuthOptions } from "../settings/portal-auth-options.js";
import { resolveOptions } from "../settings/resolve-options.js";
import type { Settings } from "../settings/settings.js";
import { findVariableTypos } from "../settings/variable-typos.js";
import { type Check, type CheckGroup, createChecks, GROUPS } from "./check.js";
import { checkAuthorization, checkCredentials, skipCredentials } from "./check-credentials.js";
import { checkOptions } from "./check-options.js";
import {
  checkClock,
  checkConnection,
  checkDocument,
  checkKeys,
  createDiscoveryFailure,
  skipDocument,
} from "./check-provider.js";
import { checkCallbackResponse, checkCookies, checkRedirect, type TrustProxy } from "./check-redirect.js";
import { checkStore } from "./check-store.js";
import { probeConnection } from "./probe-connection.js";

/** Options of diagnose(), besides those of portalAuth(). */
export interface DiagnoseOptions {
  /** The environment to read variables from. Default process.env. */
  readonly env?: NodeJS.ProcessEnv;
  /** The application, to check its `trust proxy`. */
  readonly app?: Application;
  /**
   * Groups to omit, e.g. `["credentials"]` for a readiness route that is requested every second. Default
   * none.
   */
  readonly skip?: readonly CheckGroup[];
}

/** The result of diagnose(). */
export interface Diagnosis {
  /** Whether sign-in should work: no check has failed. */
  readonly ok: boolean;
  /** All checks, in the order in which problems should be fixed. */
  readonly checks: readonly Check[];
}

/** Decides whether a group of checks is requested. */
type IsRequested = (group: CheckGroup) => boolean;

/** Runs all requested checks. index.ts documents it. */
export async function diagnose(
  options: PortalAuthOptions,
  { env, app, skip = [] }: DiagnoseOptions,
): Promise<Diagnosis> {
  const unknown = skip.find((group) => !GROUPS.includes(group));
  if (unknown !== undefined)
    throw new TypeError(`diagnose: there is no group ${unknown}; the groups are ${GROUPS.join(", ")}`);
  const resolved = resolveOptions(options, env);
  const { settings } = resolved;
  const isRequested: IsRequested = (group) => !skip.includes(group);
  const others = settings
    ? await checkSettings(settings, getTrustProxy(app), isRequested)
    : skipped.filter(({ group }) => isRequested(group));
  const checks = [
    ...(isRequested("options") ? checkOptions(resolved, findVariableTypos(env)) : []),
    ...others,
  ];
  const ok = settings !== undefined && checks.every(({ verdict }) => verdict !== "failed");
  return { ok, checks };
}

/** The other groups while options are invalid: half of the options prove nothing about them. */
const skipped: readonly Check[] = (["portal", "credentials", "redirect", "cookies", "store"] as const).map(
  (group) => createChecks(group).skipped("options", "not checked until the options are valid"),
);

const getTrustProxy = (app: Application | undefined): TrustProxy =>
  app && { trusts: Boolean(app.get("trust proxy")) };

async function checkSettings(
  settings: Settings,
  proxy: TrustProxy,
  isRequested: IsRequested,
): Promise<Check[]> {
  const [provider, callback, store] = await Promise.all([
    isRequested("portal") || isRequested("credentials") ? checkProvider(settings, isRequested) : [],
    isRequested("redirect") ? checkCallbackResponse(settings) : [],
    isRequested("store") ? checkStore(settings) : [],
  ]);
  return [
    ...provider,
    ...(isRequested("redirect") ? checkRedirect(settings) : []),
    ...callback,
    ...(isRequested("cookies") ? checkCookies(settings, proxy) : []),
    ...store,
  ];
}

/** Checks connection, discovery, keys and credentials, which depend on each other in this order. */
async function checkProvider(settings: Settings, isRequested: IsRequested): Promise<Check[]> {
  const [connection, discovery] = await Promise.all([
    probeConnection(getProbeUrl(settings), settings.httpTimeout),
    discover(settings),
  ]);
  if (discovery.provider) {
    // The probe's socket does not know the proxy that fetch uses.
    const isViaProxy = connection.failure !== undefined;
    const reached = isViaProxy ? { host: `${connection.host} (via a proxy)` } : connection;
    return [
      ...(isRequested("portal") ? checkConnection(reached) : []),
      ...(await checkDiscovered(discovery.provider, isRequested)),
    ];
  }
  const reason = connection.failure ? "the provider cannot be reached" : "without the discovery document";
  return [
    ...(isRequested("portal") ? checkConnection(connection) : []),
    ...(connection.failure ? [] : [createDiscoveryFailure(discovery.failure)]),
    ...(isRequested("portal") ? skipDocument(reason) : []),
    ...(isRequested("credentials") ? skipCredentials(reason) : []),
  ];
}

type Discovery =
  | { readonly provider: Provider; readonly failure?: never }
  | { readonly provider?: never; readonly failure: PortalAuthError };

const discover = (settings: Settings): Promise<Discovery> =>
  createDiscovery(settings)().then(
    (provider) => ({ provider }),
    (failure: PortalAuthError) => ({ failure }),
  );

async function checkDiscovered(provider: Provider, isRequested: IsRequested): Promise<Check[]> {
  const { document, aheadSeconds } = await readDocument(provider).catch(() => NOTHING_READ);
  const keys = isRequested("portal") ? checkKeys(provider) : undefined;
  const credentials = isRequested("credentials")
    ? [checkCredentials(provider), checkAuthorization(provider)]
    : [];
  return [
    ...(isRequested("portal") ? checkDocument(provider, document) : []),
    ...(keys ? [await keys, checkClock(aheadSeconds, provider.settings)] : []),
    ...(await Promise.all(credentials)),
  ];
}

/** Discovery has read the document a moment ago, so a failure to read it again is not worth a check. */
const NOTHING_READ = { document: {}, aheadSeconds: undefined };
