import { createClientSessions } from "./client-session.mjs";
import { getCpuShares, getCpuUsage } from "./cpu-usage.mjs";
import { Ledger } from "./ledger.mjs";
import { checkAllSessions, load } from "./load.mjs";
import { reportStorm } from "./report.mjs";
import { Tally } from "./tally.mjs";
import { judge } from "./verdict.mjs";
import { World } from "./world.mjs";

/**
 * Runs a storm. Returns the report, and whether all targets are met.
 *
 * @param size the numbers of all parts, the storm's `name` and `injectFaults`, and `oneWayMs`, the delay of
 * requests to the provider and of responses
 */
export async function runStorm(size) {
  const world = await World.start(size);
  try {
    const clientSessions = await createClientSessions(world, size.sessions);
    const storm = { size, world, clientSessions, tally: new Tally() };
    await checkAllSessions(storm, clientSessions); // records the first token of each session
    const before = await getCpuUsage(world);
    await Promise.all([load(storm, clientSessions, size), size.injectFaults(world, size)]);
    const after = await getCpuUsage(world);
    await checkAllSessions(storm, clientSessions);

    const { entries, memoryBytes } = await world.provider.request("usage");
    const ledger = new Ledger(entries, world.killed);
    const verdict = judge(storm, ledger);
    const cpuShares = getCpuShares(before, after);
    const text = reportStorm({ ...storm, ledger, memoryBytes, cpuShares }, verdict);
    return { text, isMet: Object.values(verdict.met).every(Boolean) };
  } finally {
    await world.stop();
  }
}
