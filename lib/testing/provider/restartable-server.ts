import { once } from "node:events";
import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";

/** An HTTP server on 127.0.0.1 that can stop, and start again on the same port. */
export class RestartableServer {
  readonly #listener: RequestListener;
  #server: Server | undefined;
  #port: number;

  constructor(port: number, listener: RequestListener) {
    this.#port = port;
    this.#listener = listener;
  }

  get port(): number {
    return this.#port;
  }

  async start(): Promise<void> {
    if (this.#server) return;
    const server = createServer(this.#listener);
    server.listen(this.#port, "127.0.0.1");
    await once(server, "listening"); // Rejects with the error of the server, such as EADDRINUSE.
    this.#port = (server.address() as AddressInfo).port;
    this.#server = server;
  }

  /** Refuses new connections, and closes those that are open. */
  stop(): Promise<unknown> {
    const server = this.#server;
    this.#server = undefined;
    if (!server) return Promise.resolve();
    const closed = once(server, "close");
    server.close();
    server.closeAllConnections();
    return closed;
  }
}
