import type { IncomingMessage } from "node:http";
import { pipeline } from "node:stream/promises";
import { logFailure } from "../answer/log.js";
import { CHALLENGE, PortalAuthError } from "../errors/portal-auth-error.js";
import { answerHeaders, isForAppFirst } from "./forwarded-headers.js";
import type { Passage } from "./passage.js";
import { locationHere } from "./target.js";

const NOTHING = Buffer.alloc(0);

/** Hands an answer to the browser piece by piece, as it comes. One that breaks off does not end as if it were whole. */
export async function handBack(answer: IncomingMessage, target: URL, passage: Passage): Promise<void> {
  handHead(answer, target, passage);
  const failure = await stream(answer, passage);
  const detail = `${passage.settings.name}: the answer broke off`;
  if (failure) logFailure(passage.parts.log, new PortalAuthError(failure, { detail }));
}

function handHead(answer: IncomingMessage, target: URL, { mount, req, res, settings }: Passage): void {
  const { statusCode, headers } = answer;
  res.statusCode = statusCode as number; // an answer has one
  for (const [name, value = ""] of Object.entries(answerHeaders(headers, settings.responseHeaders)))
    if (!(isForAppFirst(name, settings.responseHeaders) && res.hasHeader(name))) res.setHeader(name, value);
  if (statusCode === 204) res.removeHeader("Content-Length"); // RFC 9110, section 8.6: some would wait for a body
  for (const name of [...listed(headers.vary), "Cookie"]) res.vary(name); // whose it is the upstream knows by the token
  const location = headers.location && locationHere(headers.location, target, settings.upstream, mount);
  if (location) res.setHeader("Location", location);
  if (statusCode === 401) res.setHeader("WWW-Authenticate", CHALLENGE);
  // An event stream may say nothing for a while, so the head goes first. res.flushHeaders() would write it as UTF-8, and
  // change bytes that Node.js has read as Latin-1.
  const hasBody = req.method !== "HEAD" && statusCode !== 204 && statusCode !== 304; // RFC 9110, section 6.4.1
  if (hasBody) res.write(NOTHING);
}

/** The names in a list of headers (RFC 9110, section 5.6.2); what is none is left out. */
const listed = (names = ""): string[] =>
  names
    .split(",")
    .map((name) => name.trim())
    .filter((name) => TOKEN.test(name));

const TOKEN = /^[\w!#$%&'*+.^`|~-]+$/;

/** Gives what is wrong with the upstream; a browser that hangs up ends both, and that is its right. */
async function stream(answer: IncomingMessage, { res, left, settings }: Passage) {
  let failure: "upstream_unreachable" | "upstream_timeout" | undefined;
  const timer = setTimeout(() => {
    failure = "upstream_timeout";
    answer.destroy(new Error("idle"));
  }, settings.idleTimeoutMs);
  answer.once("error", () => {
    if (!left.aborted) failure ??= "upstream_unreachable";
  });
  answer.on("data", () => timer.refresh());
  await pipeline(answer, res).catch(() => {}); // what it rejects with does not say who was first
  clearTimeout(timer);
  return failure;
}
