import { request } from "node:http";
import { createServer } from "node:https";
import { generate } from "selfsigned";
import { close, listen } from "./serve.js";

let certificate: ReturnType<typeof generate> | undefined;

/** The headers that a proxy that terminates TLS sends to the app. */
export const FORWARDED: Readonly<Record<string, string>> = {
  "x-forwarded-proto": "https",
  "x-forwarded-for": "203.0.113.7",
};

/**
 * Starts a proxy that terminates TLS like nginx. It sets the headers and removes those of the client. The app
 * may start later, because it needs the URL of the proxy. The headers may change, because they are computed
 * for each request.
 */
export async function startTlsFront(
  getTarget: () => string,
  getHeaders: () => Readonly<Record<string, string>> = () => FORWARDED,
): Promise<{ url: string; ca: string; close(): Promise<void> }> {
  certificate ??= generate([{ name: "commonName", value: "localhost" }], {
    keySize: 2048,
    extensions: [{ name: "subjectAltName", altNames: [{ type: 2, value: "localhost" }] }],
  });
  const { private: key, cert } = await certificate;
  const server = createServer({ key, cert }, (req, res) => {
    const headers = { ...req.headers, ...getHeaders() };
    const forwarded = request(getTarget() + req.url, { method: req.method ?? "GET", headers }, (response) => {
      res.writeHead(response.statusCode ?? 502, response.headers);
      response.pipe(res);
    });
    forwarded.on("error", () => res.destroy());
    req.pipe(forwarded);
  });
  const url = await listen(server);
  return { url: url.replace("127.0.0.1", "localhost"), ca: cert, close: () => close(server) };
}
