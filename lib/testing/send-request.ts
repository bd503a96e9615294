import { once } from "node:events";
import { type IncomingMessage, request as overHttp } from "node:http";
import { request as overHttps } from "node:https";
import { text } from "node:stream/consumers";

export interface ReceivedResponse {
  readonly status: number;
  readonly location: string | undefined;
  /** The lines of Set-Cookie. */
  readonly cookies: readonly string[];
  readonly body: string;
}

/** One request, with the headers that are given and no others: fetch says of itself that it is a script. */
export async function sendRequest(
  url: URL,
  headers: Readonly<Record<string, string>>,
  form?: URLSearchParams,
): Promise<ReceivedResponse> {
  const body = form?.toString();
  const ofForm = body === undefined ? {} : { "content-type": "application/x-www-form-urlencoded" };
  const asking = (url.protocol === "https:" ? overHttps : overHttp)(url, {
    method: body === undefined ? "GET" : "POST",
    headers: { ...headers, ...ofForm },
    agent: false,
  });
  const [answer] = (await once(asking.end(body), "response")) as [IncomingMessage];
  const answeredBody = await text(answer);
  const { statusCode: status = 0, headers: answered } = answer;
  return { status, location: answered.location, cookies: answered["set-cookie"] ?? [], body: answeredBody };
}
