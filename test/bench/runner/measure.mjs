import { Browser } from "./browser.mjs";
import { CLIENT, Launch } from "./launch.mjs";

/**
 * Runs the programs side by side. Returns for each program its CPU microseconds per unit (a request or a login), one
 * figure a round; the figures at one index were taken one after the other.
 *
 * The programs are launched anew several times: two processes of the same program differ by some hundredths for as long
 * as they live, by where the compiler and the memory happen to settle, which rounds alone would never show.
 */
export async function measure(benchmark, size) {
  const figures = benchmark.programs.map(() => []);
  for (let launch = 0; launch < size.launches; launch += 1) {
    const { apps, stop } = await launchAll(benchmark, size);
    try {
      for (const app of apps) await benchmark.prepare(app);
      // The compiler needs thousands of requests to settle. The first rounds run like all others and do not count:
      // to warm up one program after the other would let the first grow cold again.
      for (let round = -size.warmUp; round < size.rounds; round += 1) {
        for (const app of shuffled(apps)) {
          const figure = await spent(benchmark, app, size.requests);
          if (round >= 0) figures[app.index].push(figure);
        }
      }
    } finally {
      await stop();
    }
  }
  return figures;
}

async function launchAll(benchmark, { from, profile }) {
  const launch = new Launch({ profile });
  const { agent } = launch;
  try {
    const store = benchmark.store === "redis" ? (await launch.startRedis()).url : undefined;
    const apps = [];
    for (const [index, { name, file }] of benchmark.programs.entries()) {
      const [program, { origin }] = await launch.start(file, { measured: true });
      apps.push({ index, name, program, origin, agent, browser: new Browser(agent) });
    }
    const [portal] = await launch.start("portal.mjs");
    const redirectUris = apps.map(({ origin }) => `${origin}/callback`);
    const { issuer } = await portal.ask({ ...CLIENT, redirectUris, from });
    for (const app of apps) {
      app.issuer = issuer;
      await app.program.ask({ ...benchmark.programs[app.index].settings, ...CLIENT, store, issuer, from });
    }
    return { apps, stop: () => launch.stop() };
  } catch (error) {
    await launch.stop();
    throw error;
  }
}

/** CPU microseconds per unit, all threads of the program's process, the operating system's work for it included. */
async function spent(benchmark, app, units) {
  const before = await app.program.ask("what have you spent?");
  await load(benchmark, app, units);
  const after = await app.program.ask("and now?");
  const answered = after.requests - before.requests;
  const expected = units * benchmark.requestsPerUnit;
  if (answered !== expected) throw new Error(`${app.name}: ${answered} requests instead of ${expected}`);
  return (after.cpuMicroseconds - before.cpuMicroseconds) / units;
}

/** So many visits, a few of them at any moment. */
async function load({ visit, atOnce }, app, units) {
  let left = units;
  const visitor = async () => {
    while (left > 0) {
      left -= 1;
      await visit(app);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, visitor));
}

/** Who goes first in a round has the colder machine: nobody is always first. */
function shuffled(apps) {
  return apps
    .map((app) => ({ app, place: Math.random() }))
    .sort((a, b) => a.place - b.place)
    .map(({ app }) => app);
}
