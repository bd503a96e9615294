import { Browser } from "./browser.mjs";
import { CLIENT, Launch } from "./launch.mjs";

/**
 * Runs the programs side by side. Returns a list for each program: in each round, its CPU time in
 * microseconds per unit (a request or a login). Figures with the same index are from the same round.
 *
 * The programs are launched several times. Two processes of the same program differ by some hundredths while
 * they live, because of the compiler and the layout of the memory. More rounds alone would never show that.
 */
export async function measure(benchmark, size) {
  const figures = benchmark.programs.map(() => []);
  for (let launch = 0; launch < size.launches; launch += 1) {
    const { apps, stop } = await launchAll(benchmark, size);
    try {
      for (const app of apps) await benchmark.prepare(app);
      // The compiler needs thousands of requests to settle, so the first rounds do not count. They alternate
      // the programs like all rounds, so that no program is idle for long.
      for (let round = -size.warmUp; round < size.rounds; round += 1) {
        for (const app of shuffle(apps)) {
          const figure = await measureRound(benchmark, app, size.requests);
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
    const [provider] = await launch.start("provider.mjs");
    const redirectUris = apps.map(({ origin }) => `${origin}/callback`);
    const { issuer } = await provider.request({ ...CLIENT, redirectUris, from });
    for (const app of apps) {
      app.issuer = issuer;
      const { settings } = benchmark.programs[app.index];
      await app.program.request({ ...settings, ...CLIENT, store, issuer, from });
    }
    return { apps, stop: () => launch.stop() };
  } catch (error) {
    await launch.stop();
    throw error;
  }
}

/**
 * Measures one round of one program. The CPU time includes all threads of its process and the operating
 * system's work for it.
 */
async function measureRound(benchmark, app, units) {
  const before = await app.program.request("usage");
  await load(benchmark, app, units);
  const after = await app.program.request("usage");
  const received = after.requests - before.requests;
  const expected = units * benchmark.requestsPerUnit;
  if (received !== expected) throw new Error(`${app.name}: ${received} requests instead of ${expected}`);
  return (after.cpuMicroseconds - before.cpuMicroseconds) / units;
}

/** Makes the given number of visits, `atOnce` of them at the same time. */
async function load({ visit, atOnce }, app, units) {
  let remaining = units;
  const visitor = async () => {
    while (remaining > 0) {
      remaining -= 1;
      await visit(app);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, visitor));
}

/** Returns a random order, because the first program of a round has the colder machine. */
function shuffle(apps) {
  return apps
    .map((app) => ({ app, position: Math.random() }))
    .sort((a, b) => a.position - b.position)
    .map(({ app }) => app);
}
