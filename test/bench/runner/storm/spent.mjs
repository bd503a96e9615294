/** CPU time of all who take part, in microseconds; that of the killed process is lost. */
export async function spent({ apps, portal }) {
  const { user, system } = process.cpuUsage();
  const each = apps.map(async ({ name, program }) => [
    name,
    (await program.ask("what have you spent?")).cpuMicroseconds,
  ]);
  return {
    at: performance.now(),
    client: user + system,
    portal: (await portal.ask("and you?")).cpuMicroseconds,
    apps: new Map(await Promise.all(each)),
  };
}

/** Which part of one core each of them took from one moment to another: near 1, and the figures are those of a queue. */
export function shares(before, after) {
  const share = (from, to) => (to - from) / 1000 / (after.at - before.at);
  const stayed = [...before.apps.keys()].filter((name) => after.apps.has(name));
  const apps = stayed.map((name) => share(before.apps.get(name), after.apps.get(name)));
  return {
    "a process": apps.reduce((sum, one) => sum + one, 0) / apps.length,
    "the portal": share(before.portal, after.portal),
    "the client": share(before.client, after.client),
  };
}
