import { IncomingMessage } from "node:http";

/** A request that the provider has received. */
export interface RecordedRequest {
  /** The HTTP method. */
  readonly method: string;
  /** The path without the query. */
  readonly path: string;
  /** The path with its query. */
  readonly url: string;
  /** The headers, with names in lower case. */
  readonly headers: IncomingMessage["headers"];
  /** The body as text; "" if there is no body. */
  readonly body: string;
}

const LARGEST_BODY_BYTES = 64 * 1024;

/** Reads a request with its body. Returns undefined if the body is larger than 64 KiB. */
export async function recordRequest(req: IncomingMessage): Promise<RecordedRequest | undefined> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of req as AsyncIterable<Buffer>) {
    size += chunk.length;
    // The rest is read too, because a client that is still sending does not read the response.
    if (size <= LARGEST_BODY_BYTES) chunks.push(chunk);
  }
  if (size > LARGEST_BODY_BYTES) return undefined;
  const { method = "GET", url = "/", headers } = req;
  return { method, path: url.split("?")[0] ?? url, url, headers, body: Buffer.concat(chunks).toString() };
}

/** Creates an unread copy of a request on the same socket, with another method, URL, headers and body. */
export function replayRequest(
  req: IncomingMessage,
  { method, url, headers, body }: Pick<RecordedRequest, "method" | "url" | "headers" | "body">,
): IncomingMessage {
  const copy = new IncomingMessage(req.socket);
  const length = { "content-length": String(Buffer.byteLength(body)) };
  Object.assign(copy, {
    method,
    url,
    httpVersion: req.httpVersion,
    rawHeaders: req.rawHeaders,
    complete: true,
  });
  copy.headers = { ...headers, ...(body && length) };
  copy.push(body);
  copy.push(null);
  return copy;
}
