import type { DurabilityRisk } from "./connected-store.js";

/** A client of the package redis, as far as its configuration is read. */
export interface ConfiguredClient {
  ping(): Promise<unknown>;
  configGet(parameter: string): Promise<Record<string, string>>;
}

/**
 * Reads the configuration of a Redis, and returns its settings that can lose logins. The doctor reports them.
 * Returns undefined if the user may not read the configuration, as in many managed services.
 *
 * @throws the error of the client if Redis does not respond
 */
export async function findRedisDurabilityRisks(
  client: ConfiguredClient,
): Promise<DurabilityRisk[] | undefined> {
  await client.ping();
  const read = async (name: string) => (await client.configGet(name).catch(() => undefined))?.[name];
  const [save, appendonly, policy] = await Promise.all(["save", "appendonly", "maxmemory-policy"].map(read));
  if (save === undefined && appendonly === undefined && policy === undefined) return undefined;
  const risks: DurabilityRisk[] = [];
  if (save === "" && appendonly === "no") risks.push(NO_PERSISTENCE);
  // The volatile policies also evict the keys of sessions, because each of them expires.
  if (policy !== undefined && policy !== "noeviction")
    risks.push({ by: "eviction", found: `maxmemory-policy is ${policy}`, advice: EVICTION_ADVICE });
  return risks;
}

const NO_PERSISTENCE: DurabilityRisk = {
  by: "restart",
  found: "Redis writes nothing to disk",
  advice: "a restart signs all users out: turn on appendonly or save",
};

const EVICTION_ADVICE =
  "set it to noeviction. Otherwise, when its memory is full, Redis evicts logins, which signs users out, " +
  "and lists of logins, so that a sign-out on all devices misses some devices";
