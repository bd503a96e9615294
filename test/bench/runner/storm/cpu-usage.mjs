/** Returns the CPU time of all programs, in microseconds. That of the killed process is unknown. */
export async function getCpuUsage({ apps, provider }) {
  const { user, system } = process.cpuUsage();
  const usages = apps.map(async ({ name, program }) => [
    name,
    (await program.request("usage")).cpuMicroseconds,
  ]);
  return {
    at: performance.now(),
    client: user + system,
    provider: (await provider.request("usage")).cpuMicroseconds,
    apps: new Map(await Promise.all(usages)),
  };
}

/**
 * Returns the share of one core that each program used between two moments. Near 1, the latencies are mostly
 * the time in a queue.
 */
export function getCpuShares(before, after) {
  const getShare = (from, to) => (to - from) / 1000 / (after.at - before.at);
  const names = [...before.apps.keys()].filter((name) => after.apps.has(name));
  const shares = names.map((name) => getShare(before.apps.get(name), after.apps.get(name)));
  return {
    "a process": shares.reduce((sum, share) => sum + share, 0) / shares.length,
    "the provider": getShare(before.provider, after.provider),
    "the client": getShare(before.client, after.client),
  };
}
