import { Ledger } from "./ledger.mjs";
import { callTheRoll, load } from "./load.mjs";
import { logInAll } from "./person.mjs";
import { reportStorm } from "./report.mjs";
import { shares, spent } from "./spent.mjs";
import { Tally } from "./tally.mjs";
import { judge } from "./verdict.mjs";
import { World } from "./world.mjs";

/**
 * Resolves to the report, and to whether all targets were met.
 *
 * @param size how much of everything; and the storm's `name`, its `trouble`, and `oneWayMs`, the way to the provider
 */
export async function runStorm(size) {
  const world = await World.start(size);
  try {
    const people = await logInAll(world, size.sessions);
    const storm = { size, world, people, tally: new Tally() };
    await callTheRoll(storm, people); // to know the tokens of each session from the beginning
    const before = await spent(world);
    await Promise.all([load(storm, people, size), size.trouble(world, size)]);
    const after = await spent(world);
    await callTheRoll(storm, people);

    const { entries, memoryBytes } = await world.portal.ask("what have you seen?");
    const ledger = new Ledger(entries, world.killed);
    const verdict = judge(storm, ledger);
    const text = reportStorm({ ...storm, ledger, memoryBytes, spent: shares(before, after) }, verdict);
    return { text, held: Object.values(verdict.met).every(Boolean) };
  } finally {
    await world.stop();
  }
}
