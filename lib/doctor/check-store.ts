import type { Store } from "express-session";
import { PortalAuthError } from "../errors.js";
import type { Lock } from "../lock.js";
import { describeError } from "../redact.js";
import type { Trouble } from "../session/stores/durability.js";
import { openStore } from "../session/stores/open-store.js";
import { type Lack, type OpenStore, reasonOf } from "../session/stores/opened.js";
import { type Probed, probeStores } from "../session/stores/probe.js";
import type { Settings } from "../settings/settings.js";
import { withinTime } from "../within-time.js";
import { type Check, checksOf } from "./check.js";

const { ok, warning, failed, skipped } = checksOf("store");

const AT_MOST_MS = 10_000;

/** Whether sessions are kept: written by one connection, read by another, changed by both with nothing lost. */
export async function checkStore({ store, lock }: Settings): Promise<Check[]> {
  if (store === undefined)
    return [
      warning("kind", "sessions are kept in the memory of one process", {
        found: "memory:",
        advice:
          "a restart signs everybody out, and a second process knows nobody: write SESSION_STORE_URL (redis://…, postgres://…)",
      }),
    ];
  if (typeof store !== "string") return checkGiven(store, lock);
  const opened: OpenStore[] = [];
  try {
    for (let connection = 0; connection < 2; connection += 1)
      opened.push(openStore(store, () => {}, { makesTable: false }));
    return await withinTime(checkOpened(opened), AT_MOST_MS, () => [unreachable("no answer in time")]);
  } catch (error) {
    return [notUsable(error)];
  } finally {
    await Promise.all(opened.map((one) => one.close().catch(() => {})));
  }
}

async function checkOpened(opened: readonly OpenStore[]): Promise<Check[]> {
  const [one, other] = opened as [OpenStore, OpenStore];
  try {
    await Promise.all(opened.map((connection) => connection.opened));
    const lack = await one.lacks();
    if (lack) return [ok("reach", "the session store answers"), lacking(lack)];
    const troubles = await one.durability();
    const probed = await probeStores(one.store, other.store);
    return [
      ok("reach", "the session store answers"),
      probed.isShared
        ? ok("shared", "what one process writes another reads")
        : failed("shared", "what one connection writes another does not read", { advice: "look at SESSION_STORE_URL" }),
      probed.isExclusive
        ? ok("lock", "two processes that change one session lose nothing")
        : failed("lock", "changes of one session get lost", {
            advice: "look at SESSION_STORE_URL: a cluster or proxy that reorders?",
          }),
      ...restartOf(troubles),
    ];
  } catch (error) {
    const trouble = one.trouble();
    return [trouble === undefined ? notUsable(error) : unreachable(trouble)];
  }
}

function lacking({ found, isMade }: Lack): Check {
  return isMade
    ? warning("table", "sessions have no table yet", {
        found,
        advice: "the app makes it when it starts: look again then",
      })
    : failed("table", "sessions have no table", {
        found: `${found}, and this user may not make it`,
        advice: "GRANT CREATE ON SCHEMA to this user, or make the table as connect-pg-simple has it (table.sql)",
      });
}

function restartOf(troubles: readonly Trouble[] | undefined): Check[] {
  const title = "whether sessions outlive a restart";
  if (!troubles) return [skipped("restart", title, { found: "this user may not ask the store for its settings" })];
  if (troubles.length === 0) return [ok("restart", "sessions outlive a restart")];
  return troubles.map((trouble) => warning("restart", "sessions may not outlive the store's restart", trouble));
}

/** A store of the application's: there is one connection, and no way to make another. */
async function checkGiven(store: Store, lock: Lock | undefined): Promise<Check[]> {
  try {
    const probed = await withinTime(probeStores(store, store, lock), AT_MOST_MS, () => undefined);
    if (!probed) return [unreachable("no answer in time")];
    return [
      probed.isShared
        ? ok("reach", "the session store answers")
        : failed("reach", "the session store forgets at once", { advice: "look at the option store" }),
      lockOf(probed, lock !== undefined),
      skipped("restart", "whether sessions outlive a restart", { found: "a store of your own: you know it" }),
    ];
  } catch (error) {
    return [notUsable(error)];
  }
}

function lockOf({ isExclusive, warnings: [warned] }: Probed, hasLock: boolean): Check {
  if (!isExclusive)
    return failed("lock", "changes of one session get lost", { advice: "look at the option lock, or give one" });
  if (warned) return warning("lock", "sessions can be changed by one process alone", { advice: warned });
  return ok("lock", "changes of one session lose nothing", { found: hasLock ? "with the option lock" : undefined });
}

function notUsable(error: unknown): Check {
  if (error instanceof PortalAuthError && error.code === "options_invalid")
    return failed("reach", "the session store cannot be opened", {
      advice: String(error.detail).replace(/^\s*- /, ""),
    });
  return unreachable(error instanceof Error ? reasonOf(error) : describeError(error));
}

const unreachable = (found: string): Check =>
  failed("reach", "the session store cannot be used", {
    found,
    advice:
      "look at SESSION_STORE_URL: does the store run, can it be reached from here, does it take that name and password?",
  });
