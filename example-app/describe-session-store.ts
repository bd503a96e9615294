import { readFileSync } from "node:fs";
import { connect } from "node:net";

const CONNECT_TIMEOUT_MS = 2000;

/**
 * Describes where sessions are stored, for the developer who starts the example; undefined for the memory of
 * this process. The app also starts if the store is unreachable: requests with a session get 503 until it is
 * back.
 */
export async function describeSessionStore(): Promise<string | undefined> {
  const { SESSION_STORE_URL, SESSION_STORE_URL_FILE } = process.env; // portalAuth() has verified them
  const path = SESSION_STORE_URL_FILE?.trim();
  const url = (SESSION_STORE_URL?.trim() || (path && readFileSync(path, "utf8").trim())) ?? "";
  if (url === "" || url === "memory:") return undefined;

  const store = new URL(url);
  // The other parts of the URL can be secret.
  const place = `${store.protocol}//${store.host}${store.pathname}`;
  const reason = await findConnectionError(store);
  if (reason !== undefined)
    return `Sessions are stored at ${place}. It is unreachable (${reason}): sign-in gets 503 until then.`;
  const { SESSION_SECRET, SESSION_SECRET_FILE } = process.env;
  // Only the demo starts without.
  const hasSecret = Boolean(SESSION_SECRET?.trim() || SESSION_SECRET_FILE?.trim());
  const advice = hasSecret ? "" : " Set SESSION_SECRET too, or the next start signs all users out.";
  return `Sessions are stored at ${place}.${advice}`;
}

const DEFAULT_PORTS: Record<string, number> = { "redis:": 6379, "rediss:": 6379 };

async function findConnectionError({ protocol, hostname, port }: URL): Promise<string | undefined> {
  if (hostname === "") return undefined; // a socket file, or several hosts, which are not probed
  const socket = connect({
    host: hostname.replace(/^\[|\]$/g, ""),
    port: Number(port) || (DEFAULT_PORTS[protocol] ?? 5432),
  });
  try {
    return await new Promise((resolve) => {
      socket.once("connect", () => resolve(undefined));
      socket.once("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? error.name));
      socket.setTimeout(CONNECT_TIMEOUT_MS, () => resolve("no response in time"));
    });
  } finally {
    socket.destroy();
  }
}
