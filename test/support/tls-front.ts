import { request } from "node:http";
import { createServer } from "node:https";
import { generate } from "selfsigned";
import { close, listen } from "./serve.js";

let made: ReturnType<typeof generate> | undefined;

/** What a proxy that ends TLS tells the app. */
export const FORWARDED: Readonly<Record<string, string>> = {
  "x-forwarded-proto": "https",
  "x-forwarded-for": "203.0.113.7",
};

/**
 * A proxy that ends TLS, as nginx would: it says so to the app, and believes nothing that a client says of it. The app may
 * start later, as it wants to know this address; and what the proxy says may change, as it is asked for each request.
 */
export async function startTlsFront(
  target: () => string,
  forwarded: () => Readonly<Record<string, string>> = () => FORWARDED,
): Promise<{ url: string; ca: string; close(): Promise<void> }> {
  made ??= generate([{ name: "commonName", value: "localhost" }], {
    keySize: 2048,
    extensions: [{ name: "subjectAltName", altNames: [{ type: 2, value: "localhost" }] }],
  });
  const { private: key, cert } = await made;
  const server = createServer({ key, cert }, (req, res) => {
    const headers = { ...req.headers, ...forwarded() };
    const onwards = request(target() + req.url, { method: req.method ?? "GET", headers }, (answer) => {
      res.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(res);
    });
    onwards.on("error", () => res.destroy());
    req.pipe(onwards);
  });
  const url = await listen(server);
  return { url: url.replace("127.0.0.1", "localhost"), ca: cert, close: () => close(server) };
}
