import { PortalAuthError } from "../errors/portal-auth-error.js";
import { redactError } from "../errors/redact.js";
import type { Settings } from "../settings/settings.js";
import {
  type ConnectedStore,
  type DurabilityRisk,
  describeConnectionError,
  type MissingTables,
} from "../store/connected-store.js";
import { openStore } from "../store/open-store.js";
import { type ProbeResult, probeStores } from "../store/probe-store.js";
import type { StoreObject } from "../store/store-option.js";
import { withTimeout } from "../util/with-timeout.js";
import { type Check, createChecks } from "./check.js";

const { ok, warning, failed, skipped } = createChecks("store");

const TIMEOUT_MS = 10_000;

/**
 * Checks whether the store saves logins: one connection writes a record, another one reads it, and both
 * change it at the same moment without a loss.
 */
export async function checkStore({ store }: Settings): Promise<Check[]> {
  if (store === undefined)
    return [
      warning("kind", "sessions are stored in the memory of one process", {
        found: "memory:",
        advice:
          "a restart signs all users out, and other processes do not see the sessions: " +
          "set SESSION_STORE_URL (redis://…, postgres://…). " +
          "If the app mounts session({ store: createStore(…) }), logins are stored there, " +
          "and this does not apply",
      }),
    ];
  if (typeof store !== "string") return checkStoreObject(store);
  const connections: ConnectedStore[] = [];
  try {
    for (let count = 0; count < 2; count += 1)
      connections.push(openStore(store, { warn: () => {}, shouldCreateTables: false }));
    return await withTimeout(checkConnections(connections), TIMEOUT_MS, () => [
      createUnreachable("no response in time"),
    ]);
  } catch (error) {
    return [createUnusable(error)];
  } finally {
    await Promise.all(connections.map((connection) => connection.close().catch(() => {})));
  }
}

async function checkConnections(connections: readonly ConnectedStore[]): Promise<Check[]> {
  const [first, second] = connections as [ConnectedStore, ConnectedStore];
  try {
    await Promise.all(connections.map((connection) => connection.opened));
    const missing = await first.findMissingTables();
    if (missing) return [ok("reach", "the session store answers"), reportMissingTables(missing)];
    const risks = await first.findDurabilityRisks();
    const probed = await probeStores(first.store, second.store);
    return [
      ...reportProbe(probed, "SESSION_STORE_URL: does a proxy or a replica answer?"),
      ...reportDurability(risks),
    ];
  } catch (error) {
    const reason = first.getConnectionError();
    return [reason === undefined ? createUnusable(error) : createUnreachable(reason)];
  }
}

/** Creates the checks from a probe. `suspect` says what to check if the probe has failed. */
function reportProbe({ isShared, isExclusive, isListed }: ProbeResult, suspect: string): Check[] {
  const answers = ok("reach", "the session store answers");
  const advice = `check ${suspect}`;
  if (!isShared)
    return [
      answers,
      failed("shared", "one connection does not read what another one has written", { advice }),
    ];
  return [
    answers,
    ok("shared", "one connection reads what another one has written"),
    isExclusive
      ? ok("atomic", "simultaneous changes of one login lose nothing")
      : failed("atomic", "a change of a login is lost if another one comes at the same moment", { advice }),
    isListed
      ? ok("lists", "the logins of a user are listed")
      : failed("lists", "the logins of a user are not listed: signing out on all devices cannot work", {
          advice,
        }),
  ];
}

function reportMissingTables({ found, isCreatedByApp }: MissingTables): Check {
  return isCreatedByApp
    ? warning("table", "the tables of the sessions are missing", {
        found,
        advice: "the app creates them when it starts: run the doctor again afterwards",
      })
    : failed("table", "the tables of the sessions are missing", {
        found: `${found}, and this user may not create it`,
        advice: "GRANT CREATE ON SCHEMA to this user, or create the tables yourself: see lib/store/README.md",
      });
}

function reportDurability(risks: readonly DurabilityRisk[] | undefined): Check[] {
  if (!risks)
    return [
      skipped("restart", "whether logins survive a restart of the store", {
        found: "this user may not read the store's settings",
      }),
    ];
  const evictions = risks.filter(({ by }) => by === "eviction");
  const atRestart = risks.filter(({ by }) => by === "restart");
  return [
    ...evictions.map((risk) =>
      warning("eviction", "the store removes logins when its memory is short", risk),
    ),
    ...atRestart.map((risk) => warning("restart", "logins may not survive a restart of the store", risk)),
    ...(atRestart.length === 0 ? [ok("restart", "logins survive a restart of the store")] : []),
  ];
}

/** Checks a client or an adapter of the application. It has one connection, which is used for both. */
async function checkStoreObject(option: StoreObject): Promise<Check[]> {
  try {
    const { store } = openStore(option, { warn: () => {}, shouldCreateTables: false });
    const checks = probeStores(store, store).then((probed) => [
      ...reportProbe(probed, STORE_OPTION),
      skipped("restart", "whether logins survive a restart of the store", { found: "a store of your own" }),
    ]);
    return await withTimeout(checks, TIMEOUT_MS, () => [createUnreachable("no response in time")]);
  } catch (error) {
    return [createUnusable(error)];
  }
}

const STORE_OPTION = "the option store: each of its methods must be one atomic step in the database";

function createUnusable(error: unknown): Check {
  if (error instanceof PortalAuthError && error.code === "options_invalid")
    return failed("reach", "the session store cannot be opened", {
      advice: String(error.detail).replace(/^\s*- /, ""),
    });
  return createUnreachable(error instanceof Error ? describeConnectionError(error) : redactError(error));
}

const createUnreachable = (found: string): Check =>
  failed("reach", "the session store cannot be used", {
    found,
    advice:
      "check SESSION_STORE_URL (option store): does the store run, is it reachable, " +
      "are user name and password correct?",
  });
