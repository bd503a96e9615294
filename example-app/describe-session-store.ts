import { readFileSync } from "node:fs";
import { connect } from "node:net";

const CONNECT_TIMEOUT_MS = 2000;

/**
 * Where sessions are kept, for whoever starts the example; undefined when that is the memory of this process. A store
 * that is down is no reason not to start: the app answers what needs it with 503, and goes on when the store is back.
 */
export async function describeSessionStore(): Promise<string | undefined> {
  const { SESSION_STORE_URL, SESSION_STORE_URL_FILE } = process.env; // portalAuth() has checked them
  const path = SESSION_STORE_URL_FILE?.trim();
  const address = (SESSION_STORE_URL?.trim() || (path && readFileSync(path, "utf8").trim())) ?? "";
  if (address === "" || address === "memory:") return undefined;

  const store = new URL(address);
  const place = `${store.protocol}//${store.host}${store.pathname}`; // the rest of it may be secret
  const reason = await findConnectionError(store);
  if (reason !== undefined)
    return `Sessions shall be kept at ${place}, which cannot be reached (${reason}): signing in answers 503 until it can.`;
  const { SESSION_SECRET, SESSION_SECRET_FILE } = process.env;
  const isForgetful = !SESSION_SECRET?.trim() && !SESSION_SECRET_FILE?.trim(); // only the demo does without
  return `Sessions go to ${place}.${isForgetful ? " Set SESSION_SECRET too, or the next start signs everybody out." : ""}`;
}

const DEFAULT_PORTS: Record<string, number> = { "redis:": 6379, "rediss:": 6379 };

async function findConnectionError({ protocol, hostname, port }: URL): Promise<string | undefined> {
  if (hostname === "") return undefined; // a socket file, or several hosts: not for us to find out
  const socket = connect({
    host: hostname.replace(/^\[|\]$/g, ""),
    port: Number(port) || (DEFAULT_PORTS[protocol] ?? 5432),
  });
  try {
    return await new Promise((resolve) => {
      socket.once("connect", () => resolve(undefined));
      socket.once("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? error.name));
      socket.setTimeout(CONNECT_TIMEOUT_MS, () => resolve("no answer"));
    });
  } finally {
    socket.destroy();
  }
}
