import type { TLSSocket } from "node:tls";
import type { Request } from "express";
import { consoleLog } from "../answer/log.js";
import { isReachedOverHttps } from "./users.js";

/**
 * Why a request does not come from a developer on this machine. The text is for the log, and never in the
 * response.
 */
const REJECTION_REASONS = {
  peer: "it came from another machine",
  proxy:
    "a proxy forwarded it, perhaps from another machine (it has X-Forwarded-For or a similar header, " +
    "uses HTTP/1.0, or comes over http although users reach the app over https)",
  host: "its Host is not localhost, 127.0.0.1 or [::1]",
  site: "another site's page sent it",
} as const;

type RejectionReason = keyof typeof REJECTION_REASONS;

/** Headers that proxies add. Some proxies add only one of them. */
const PROXY_HEADER = /^(forwarded|via|x-forwarded-.*|x-real-ip|x-client-ip|true-client-ip|cf-.*)$/;

/** By default nginx adds no header and uses HTTP/1.0. If users come over https, a proxy may end TLS. */
const isFromProxy = (req: Request, isHttps: boolean): boolean =>
  Object.keys(req.headers).some((name) => PROXY_HEADER.test(name)) ||
  req.httpVersion === "1.0" ||
  (isHttps && !(req.socket as TLSSocket).encrypted);

/**
 * Creates a check whether a request comes from this machine, as far as its connection and its headers show.
 * Each kind of rejection is logged once, because the response is only a 404. The token is the first line of
 * defence, this check the second one: see inspector-access.ts.
 */
export function createLocalRequestCheck(): (req: Request) => boolean {
  const reported = new Set<RejectionReason>();
  return function comesFromHere(req) {
    const reason = findRejectionReason(req, isReachedOverHttps(req));
    if (reason && !reported.has(reason)) {
      reported.add(reason);
      consoleLog.warn(`inspector(): a request was answered with 404, as ${REJECTION_REASONS[reason]}.`);
    }
    return reason === undefined;
  };
}

/**
 * Returns why a request is rejected; undefined if it comes from this machine. Uses the socket, and headers
 * that pages cannot set. `req.ip` and `req.hostname` are no proof, because a proxy may set them.
 */
export function findRejectionReason(req: Request, isHttps = false): RejectionReason | undefined {
  const { socket, headers, method, path } = req;
  if (!isLoopbackAddress(socket.remoteAddress)) return "peer";
  if (isFromProxy(req, isHttps)) return "proxy";
  // DNS rebinding: the name of an attacker that resolves to 127.0.0.1.
  if (!isLoopbackHost(headers.host)) return "host";
  const site = headers["sec-fetch-site"] ?? "none"; // a program, or an old browser
  if (site === "same-origin" || (site === "none" && method !== "POST")) return undefined;
  return isTopLevelNavigation(headers) && method === "GET" && path === "/" ? undefined : "site";
}

const isTopLevelNavigation = (headers: Request["headers"]): boolean =>
  headers["sec-fetch-mode"] === "navigate" && headers["sec-fetch-dest"] === "document";

const isLoopbackAddress = (address = ""): boolean =>
  address === "::1" || /^(::ffff:)?127(\.\d{1,3}){3}$/i.test(address);

/**
 * Returns whether a Host is this machine. RFC 6761, section 6.3: this includes localhost and all names below
 * it.
 */
const isLoopbackHost = (host = ""): boolean =>
  /^(([a-z0-9-]+\.)*localhost|127(\.\d{1,3}){3}|\[::1\])(:\d{1,5})?$/i.test(host);
