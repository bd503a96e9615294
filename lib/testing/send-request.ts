import { once } from "node:events";
import { request as httpRequest, type IncomingMessage } from "node:http";
import { request as httpsRequest } from "node:https";
import { text } from "node:stream/consumers";

export interface ReceivedResponse {
  readonly status: number;
  readonly location: string | undefined;
  /** The lines of Set-Cookie. */
  readonly cookies: readonly string[];
  readonly body: string;
}

/**
 * Sends a GET request, or a POST request with a form. It has only these headers. fetch() would add headers
 * that describe a script.
 */
export async function sendRequest(
  url: URL,
  headers: Readonly<Record<string, string>>,
  form?: URLSearchParams,
): Promise<ReceivedResponse> {
  const sentBody = form?.toString();
  const formHeaders = sentBody === undefined ? {} : { "content-type": "application/x-www-form-urlencoded" };
  const request = (url.protocol === "https:" ? httpsRequest : httpRequest)(url, {
    method: sentBody === undefined ? "GET" : "POST",
    headers: { ...headers, ...formHeaders },
    agent: false,
  });
  const [response] = (await once(request.end(sentBody), "response")) as [IncomingMessage];
  const body = await text(response);
  const { statusCode: status = 0, headers: received } = response;
  return { status, location: received.location, cookies: received["set-cookie"] ?? [], body };
}
