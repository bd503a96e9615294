import type { OutgoingHttpHeaders } from "node:http";
import type { Readable } from "node:stream";
import type { Request } from "express";
import { freshSession, renewUnlessDown } from "../access/access-token.js";
import { originOf, type Parts } from "../context/router-context.js";
import { PortalAuthError } from "../errors/portal-auth-error.js";
import type { PortalSession } from "../session/login-record.js";
import type { Reply } from "./ask.js";
import { framing, isPlainlyChunked, requestHeaders } from "./forwarded-headers.js";
import type { Passage } from "./passage.js";
import { handBack } from "./relay-response.js";
import { targetOf } from "./target.js";
import { streamOf, takeUpload, type Upload } from "./upload.js";

/** What is sent, and how long it is in the words of HTTP. */
interface Body {
  readonly body: Readable;
  readonly length: OutgoingHttpHeaders | undefined;
}

const NOTHING = Buffer.alloc(0);

/** RFC 9110, section 9.2.1. */
const SAFE_METHODS = ["GET", "HEAD", "OPTIONS"];

/**
 * Asks the upstream, once more with a new token where that may help, and hands its answer back.
 *
 * @throws PortalAuthError for what can still be answered: as portalProxy() says
 */
export async function passOn(passage: Passage): Promise<void> {
  const { req, left, parts } = passage;
  const target = whereTo(passage);
  const length = framing(req.headers);
  const upload = length && takeUpload(req); // before anything is waited for: it may flow already, for somebody who listens
  if (upload) left.addEventListener("abort", () => upload.destroy());
  const session = await freshSession(parts, req);
  const first = await send(passage, target, session, { body: upload ?? streamOf(NOTHING), length });
  const again = first.answer.statusCode === 401 ? await canBeAsked(passage, session, upload) : undefined;
  if (!again) return handBack(first.answer, target, passage);
  first.giveUp(); // nothing of it has been handed back
  const second = await send(passage, target, again.session, bodyOf(again.sent));
  return handBack(second.answer, target, passage);
}

/** @throws PortalAuthError `proxy_request_refused` */
function whereTo({ req: { method, headers }, settings: { upstream, name, methods }, wanted }: Passage): URL {
  const refuse = (seen: string) =>
    new PortalAuthError("proxy_request_refused", { detail: `${name}: ${seen}` });
  if (!methods.has(method)) throw refuse(`the method ${method}, which the option methods does not name`);
  if (/websocket/i.test(headers.upgrade ?? "")) throw refuse("a WebSocket");
  if (!isPlainlyChunked(headers)) throw refuse("a body in a transfer coding other than chunked");
  const target = targetOf(upstream, wanted);
  if (!target) throw refuse("a path that may be read in different ways");
  return target;
}

function send(
  passage: Passage,
  target: URL,
  { tokens }: PortalSession,
  { body, length }: Body,
): Promise<Reply> {
  const { req, left, parts, settings, ask } = passage;
  const headers = {
    ...requestHeaders(req.headers, settings.requestHeaders),
    ...(settings.forwarded && forwardedFor(req, parts)),
    ...settings.headers,
    ...length,
    authorization: `Bearer ${tokens.access_token}`, // RFC 6750, section 2.1
  };
  const isRepeatable = length === undefined && SAFE_METHODS.includes(req.method);
  return ask(
    { method: req.method, target, headers, body, isRepeatable, isComplete: () => req.complete },
    left,
  );
}

/** Of this site, what the application knows; Host is whatever a stranger writes there. */
function forwardedFor({ ip }: Request, parts: Parts): OutgoingHttpHeaders {
  const { host, protocol } = new URL(originOf(parts));
  return {
    ...(ip !== undefined && { "x-forwarded-for": ip }),
    "x-forwarded-host": host,
    "x-forwarded-proto": protocol.slice(0, -1),
  };
}

/** With what a request may be repeated whose token was refused: all that was sent, and a token that is new. */
async function canBeAsked({ req, parts }: Passage, refused: PortalSession, upload: Upload | undefined) {
  const sent = upload ? await upload.whole : NOTHING;
  const session = sent && (await renewUnlessDown(parts, req, refused));
  return session && { sent, session };
}

const bodyOf = (sent: Buffer): Body => ({
  body: streamOf(sent),
  length: sent.length > 0 ? { "content-length": sent.length } : undefined,
});
