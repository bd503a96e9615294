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
import { type Check, checksOf } from "./check.js";

const { ok, warning, failed, skipped } = checksOf("store");

const AT_MOST_MS = 10_000;

/** Checks whether logins are kept: written by one connection, read by another, changed by both with nothing lost. */
export async function checkStore({ store }: Settings): Promise<Check[]> {
  if (store === undefined)
    return [
      warning("kind", "sessions are kept in the memory of one process", {
        found: "memory:",
        advice:
          "a restart signs all users out, and other processes do not see the sessions: set SESSION_STORE_URL (redis://…, postgres://…). If the app mounts session({ store: createStore(…) }), logins are kept there, and this does not apply",
      }),
    ];
  if (typeof store !== "string") return checkGiven(store);
  const opened: ConnectedStore[] = [];
  try {
    for (let connection = 0; connection < 2; connection += 1)
      opened.push(openStore(store, { warn: () => {}, shouldCreateTables: false }));
    return await withTimeout(checkOpened(opened), AT_MOST_MS, () => [unreachable("no answer in time")]);
  } catch (error) {
    return [notUsable(error)];
  } finally {
    await Promise.all(opened.map((one) => one.close().catch(() => {})));
  }
}

async function checkOpened(opened: readonly ConnectedStore[]): Promise<Check[]> {
  const [one, other] = opened as [ConnectedStore, ConnectedStore];
  try {
    await Promise.all(opened.map((connection) => connection.opened));
    const lack = await one.findMissingTables();
    if (lack) return [ok("reach", "the session store answers"), lacking(lack)];
    const losses = await one.findDurabilityRisks();
    const probed = await probeStores(one.store, other.store);
    return [...ofTrial(probed, "SESSION_STORE_URL: does a proxy or a replica answer?"), ...ofLosses(losses)];
  } catch (error) {
    const trouble = one.getConnectionError();
    return [trouble === undefined ? notUsable(error) : unreachable(trouble)];
  }
}

/** @param what what to check if the trial has failed */
function ofTrial({ isShared, isExclusive, isListed }: ProbeResult, what: string): Check[] {
  const answers = ok("reach", "the session store answers");
  const advice = `check ${what}`;
  if (!isShared)
    return [
      answers,
      failed("shared", "one connection does not read what another one has written", { advice }),
    ];
  return [
    answers,
    ok("shared", "one connection reads what another one has written"),
    isExclusive
      ? ok("atomic", "changes of one login at the same moment lose nothing")
      : failed("atomic", "a change of a login is lost if another one comes at the same moment", { advice }),
    isListed
      ? ok("lists", "the logins of a user are listed")
      : failed("lists", "the logins of a user are not listed: signing out everywhere cannot work", {
          advice,
        }),
  ];
}

function lacking({ found, isCreatedByApp: isMade }: MissingTables): Check {
  return isMade
    ? warning("table", "the tables of the sessions are missing", {
        found,
        advice: "the app creates them when it starts: run this again then",
      })
    : failed("table", "the tables of the sessions are missing", {
        found: `${found}, and this user may not create it`,
        advice: "GRANT CREATE ON SCHEMA to this user, or create the tables yourself: see lib/store/README.md",
      });
}

function ofLosses(losses: readonly DurabilityRisk[] | undefined): Check[] {
  if (!losses)
    return [
      skipped("restart", "whether logins outlive a restart of the store", {
        found: "this user may not read the store's settings",
      }),
    ];
  const evictions = losses.filter(({ by }) => by === "eviction");
  const atRestart = losses.filter(({ by }) => by === "restart");
  return [
    ...evictions.map((loss) =>
      warning("eviction", "the store removes logins when its memory is short", loss),
    ),
    ...atRestart.map((loss) => warning("restart", "logins may not outlive a restart of the store", loss)),
    ...(atRestart.length === 0 ? [ok("restart", "logins outlive a restart of the store")] : []),
  ];
}

/** Checks a client or an adapter of the application's, which is the only connection. */
async function checkGiven(given: StoreObject): Promise<Check[]> {
  try {
    const { store } = openStore(given, { warn: () => {}, shouldCreateTables: false });
    const trial = probeStores(store, store).then((probed) => ofTrial(probed, OPTION));
    return await withTimeout(trial.then(withRestart), AT_MOST_MS, () => [unreachable("no answer in time")]);
  } catch (error) {
    return [notUsable(error)];
  }
}

const OPTION = "the option store: its methods, each of which must be one step in the database";

const withRestart = (checks: Check[]): Check[] => [
  ...checks,
  skipped("restart", "whether logins outlive a restart of the store", { found: "a store of your own" }),
];

function notUsable(error: unknown): Check {
  if (error instanceof PortalAuthError && error.code === "options_invalid")
    return failed("reach", "the session store cannot be opened", {
      advice: String(error.detail).replace(/^\s*- /, ""),
    });
  return unreachable(error instanceof Error ? describeConnectionError(error) : redactError(error));
}

const unreachable = (found: string): Check =>
  failed("reach", "the session store cannot be used", {
    found,
    advice:
      "check SESSION_STORE_URL (option store): does the store run, can it be reached, are name and password right?",
  });
