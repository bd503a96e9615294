import { once } from "node:events";
import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";

/** An http server on 127.0.0.1 that can be shut and opened again on the port that it had. */
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
    await once(server, "listening"); // rejects with the server's own error, as EADDRINUSE
    this.#port = (server.address() as AddressInfo).port;
    this.#server = server;
  }

  /** From here on connections are refused, and those that were open are cut. */
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
