import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import { Advice } from "./variables.js";

export interface Closable {
  close(): unknown;
}

export interface Opening {
  readonly variable: string;
  readonly port: number;
  readonly opened: Promise<Closable>;
}

const LAST_ANSWERS_MS = 2000;
const LOOK_AGAIN_MS = 50;

/** A server on loopback. Its close() lets requests that are under way end: a refresh is not cut off from its session. */
export async function listen(port: number, app: RequestListener): Promise<Closable> {
  const server = createServer(app);
  await once(server.listen(port, "127.0.0.1"), "listening");
  return {
    async close() {
      const closed = once(server, "close");
      server.close();
      const patient = setInterval(() => server.closeIdleConnections(), LOOK_AGAIN_MS);
      const impatient = setTimeout(() => server.closeAllConnections(), LAST_ANSWERS_MS);
      await closed;
      clearInterval(patient);
      clearTimeout(impatient);
    },
  };
}

/**
 * Waits for all of them before it complains, so that one line names every port that is taken. What could be opened is
 * handed to `keep` all the same: it has to be closed.
 */
export async function openAll(
  openings: readonly Opening[],
  keep: (opened: Closable[]) => void,
): Promise<void> {
  const outcomes = await Promise.allSettled(openings.map(({ opened }) => opened));
  keep(outcomes.flatMap((outcome) => (outcome.status === "fulfilled" ? [outcome.value] : [])));
  const failures = outcomes.flatMap((outcome, index) => {
    const opening = openings[index];
    return opening && outcome.status === "rejected" ? [{ ...opening, error: outcome.reason }] : [];
  });
  if (failures.length === 0) return;

  const stranger = failures.find(({ error }) => error.code !== "EADDRINUSE" && error.code !== "EACCES");
  if (stranger) throw stranger.error;
  const troubles = failures.map(({ port, error }) =>
    error.code === "EACCES" ? `Port ${port} needs more rights.` : `Port ${port} is in use.`,
  );
  const others = failures.map(
    ({ variable, port }) => `${variable}=${port < 60_000 ? port + 1000 : port - 1000}`,
  );
  throw new Advice(`${troubles.join(" ")} Choose another: ${others.join(" ")} npm start`);
}
