import { IncomingMessage } from "node:http";

/** A request that the portal got. */
export interface RecordedRequest {
  /** The HTTP method. */
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  /** The path with its query. */
  readonly url: string;
  /** As they came, in lower case. */
  readonly headers: IncomingMessage["headers"];
  /** As it came; "" where there was none. */
  readonly body: string;
}

const LARGEST_BODY_BYTES = 64 * 1024;

/** Reads all that was sent. `undefined` when that is more than any form of an OpenID provider holds. */
export async function recordRequest(req: IncomingMessage): Promise<RecordedRequest | undefined> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of req as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size <= LARGEST_BODY_BYTES) chunks.push(chunk); // the rest is read too: who still sends does not hear an answer
  }
  if (size > LARGEST_BODY_BYTES) return undefined;
  const { method = "GET", url = "/", headers } = req;
  return { method, path: url.split("?")[0] ?? url, url, headers, body: Buffer.concat(chunks).toString() };
}

/** The request once more, unread, on the same socket, with the body (and headers) that its next reader shall see. */
export function replayRequest(
  req: IncomingMessage,
  { method, url, headers, body }: Pick<RecordedRequest, "method" | "url" | "headers" | "body">,
): IncomingMessage {
  const again = new IncomingMessage(req.socket);
  const length = { "content-length": String(Buffer.byteLength(body)) };
  Object.assign(again, {
    method,
    url,
    httpVersion: req.httpVersion,
    rawHeaders: req.rawHeaders,
    complete: true,
  });
  again.headers = { ...headers, ...(body && length) };
  again.push(body);
  again.push(null);
  return again;
}
