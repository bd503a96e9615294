import type { TLSSocket } from "node:tls";
import type { Request } from "express";
import { consoleLog } from "../answer/log.js";
import { isReachedOverHttps } from "./users.js";

/** Why a request is none of a developer on this machine. The words are for the log: whoever asked is not told. */
const REJECTION_REASONS = {
  peer: "it came from another machine",
  proxy:
    "a proxy passed it on (it carries X-Forwarded-For or its kin, speaks HTTP/1.0, or comes by http where the app is reached by https), perhaps from another machine",
  host: "its Host is not localhost, 127.0.0.1 or [::1]",
  site: "another site's page sent it",
} as const;

type RejectionReason = keyof typeof REJECTION_REASONS;

/** Also of those that add one header alone. */
const PROXY_HEADER = /^(forwarded|via|x-forwarded-.*|x-real-ip|x-client-ip|true-client-ip|cf-.*)$/;

/** By default nginx adds no header and speaks HTTP/1.0; and people who come by https come by somebody who ends TLS. */
const isFromProxy = (req: Request, isHttps: boolean): boolean =>
  Object.keys(req.headers).some((name) => PROXY_HEADER.test(name)) ||
  req.httpVersion === "1.0" ||
  (isHttps && !(req.socket as TLSSocket).encrypted);

/**
 * Creates a check whether a request comes from this machine, as far as its connection and headers show. Of the others each
 * kind is logged once: a 404 says so little. It is a second line of defence, behind the token (door.ts).
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

/** By the socket and by what browsers do not let pages set; `req.ip` and `req.hostname` believe what a proxy says. */
export function findRejectionReason(req: Request, isHttps = false): RejectionReason | undefined {
  const { socket, headers, method, path } = req;
  if (!isLoopbackAddress(socket.remoteAddress)) return "peer";
  if (isFromProxy(req, isHttps)) return "proxy";
  if (!isLoopbackHost(headers.host)) return "host"; // DNS rebinding: a stranger's name that leads to 127.0.0.1
  const site = headers["sec-fetch-site"] ?? "none"; // a program, or a browser of old
  if (site === "same-origin" || (site === "none" && method !== "POST")) return undefined;
  return isTopLevelNavigation(headers) && method === "GET" && path === "/" ? undefined : "site";
}

const isTopLevelNavigation = (headers: Request["headers"]): boolean =>
  headers["sec-fetch-mode"] === "navigate" && headers["sec-fetch-dest"] === "document";

const isLoopbackAddress = (address = ""): boolean =>
  address === "::1" || /^(::ffff:)?127(\.\d{1,3}){3}$/i.test(address);

/** RFC 6761, section 6.3: localhost and all names below it are this machine. */
const isLoopbackHost = (host = ""): boolean =>
  /^(([a-z0-9-]+\.)*localhost|127(\.\d{1,3}){3}|\[::1\])(:\d{1,5})?$/i.test(host);
