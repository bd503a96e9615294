import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo, Server, Socket } from "node:net";
import { Server as TlsServer } from "node:tls";
import { afterAll, onTestFinished, TestRunner } from "vitest";
import { freePort } from "./servers/free-port.mjs";

const connectionsOf = new WeakMap<Server, Set<Socket>>();

/**
 * Starts a server on a free port and returns its URL. The server is closed when the test ends, or after the
 * last test if no test runs yet. The target is an Express app, another request handler, or a server of Node.
 */
export async function serve(target: RequestListener | Server, host?: string): Promise<string> {
  const server = typeof target === "function" ? createServer(target) : target;
  const closeAtEnd = TestRunner.getCurrentTest() ? onTestFinished : afterAll;
  closeAtEnd(() => close(server));
  return listen(server, host);
}

/**
 * Lets a server listen on a free port of the host, and returns its URL. The caller closes it with `close`.
 */
export async function listen(server: Server, host = "127.0.0.1"): Promise<string> {
  const connections = new Set<Socket>();
  connectionsOf.set(server, connections);
  server.on("connection", (socket) => {
    connections.add(socket);
    socket.once("close", () => connections.delete(socket));
  });
  server.listen(0, host);
  await once(server, "listening");
  const scheme = server instanceof TlsServer ? "https" : "http";
  return `${scheme}://${host.includes(":") ? `[${host}]` : host}:${portOf(server)}`;
}

/** Closes a server and all its connections. If the server is closed already, nothing happens. */
export async function close(server: Server): Promise<void> {
  const closed = new Promise((resolve) => server.close(resolve));
  for (const socket of connectionsOf.get(server) ?? []) socket.destroy();
  await closed;
}

/** Returns the port that a server listens on. */
export const portOf = (server: Server): number => (server.address() as AddressInfo).port;

/** Returns the URL of a port where no server listens. */
export const unreachableUrl = async (): Promise<string> => `http://127.0.0.1:${await freePort()}`;
