import { once } from "node:events";
import { createServer, request } from "node:http";
import { onTestFinished } from "vitest";
import { close, portOf } from "./serve.js";

export interface Forwarder {
  /** Its port, at every address of this machine. */
  readonly port: string;
  /** Path of each request, as it arrived. */
  readonly paths: string[];
}

/**
 * Starts a server that forwards each request to an origin, like the inner address of a provider in a
 * container network. It removes the prefix from the path, and adds the header `x-inside`.
 */
export async function startForwarder(targetOf: () => string, prefix = ""): Promise<Forwarder> {
  const paths: string[] = [];
  const server = createServer((req, res) => {
    const path = req.url ?? "/";
    const target = targetOf();
    paths.push(path);
    const headers = { ...req.headers, host: new URL(target).host, "x-inside": "1" };
    const forwarded = request(
      target + path.slice(prefix.length),
      { method: req.method, headers },
      (response) => {
        res.writeHead(response.statusCode ?? 502, response.headers);
        response.pipe(res);
      },
    );
    forwarded.on("error", () => res.destroy());
    req.pipe(forwarded);
  });
  server.listen(0);
  await once(server, "listening");
  const port = String(portOf(server));
  onTestFinished(() => close(server));
  return { port, paths };
}
