import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import { StartError } from "./variables.js";

export interface Closable {
  close(): unknown;
}

export interface Opening {
  readonly variable: string;
  readonly port: number;
  readonly opened: Promise<Closable>;
}

const CLOSE_TIMEOUT_MS = 2000;
const CHECK_INTERVAL_MS = 50;

/**
 * Starts a server on loopback. Its close() waits for running requests, so that refreshed tokens are saved.
 */
export async function listen(port: number, app: RequestListener): Promise<Closable> {
  const server = createServer(app);
  await once(server.listen(port, "127.0.0.1"), "listening");
  return {
    async close() {
      const closed = once(server, "close");
      server.close();
      const closeIdle = setInterval(() => server.closeIdleConnections(), CHECK_INTERVAL_MS);
      const closeAll = setTimeout(() => server.closeAllConnections(), CLOSE_TIMEOUT_MS);
      await closed;
      clearInterval(closeIdle);
      clearTimeout(closeAll);
    },
  };
}

/**
 * Waits until each server is opened or has failed, so that one error reports all ports that are in use.
 * Servers that were opened are passed to `onOpened` in any case, because they must be closed.
 */
export async function openAll(
  openings: readonly Opening[],
  onOpened: (opened: Closable[]) => void,
): Promise<void> {
  const outcomes = await Promise.allSettled(openings.map(({ opened }) => opened));
  onOpened(outcomes.flatMap((outcome) => (outcome.status === "fulfilled" ? [outcome.value] : [])));
  const failures = outcomes.flatMap((outcome, index) => {
    const opening = openings[index];
    return opening && outcome.status === "rejected" ? [{ ...opening, error: outcome.reason }] : [];
  });
  if (failures.length === 0) return;

  const otherFailure = failures.find(({ error }) => error.code !== "EADDRINUSE" && error.code !== "EACCES");
  if (otherFailure) throw otherFailure.error;
  const problems = failures.map(({ port, error }) =>
    error.code === "EACCES" ? `Port ${port} needs more permissions.` : `Port ${port} is in use.`,
  );
  const alternatives = failures.map(
    ({ variable, port }) => `${variable}=${port < 60_000 ? port + 1000 : port - 1000}`,
  );
  throw new StartError(`${problems.join(" ")} Choose another: ${alternatives.join(" ")} npm start`);
}
