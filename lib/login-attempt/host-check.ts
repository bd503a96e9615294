import { isIP } from "node:net";
import type { Request } from "express";
import type { Log } from "../answer/log.js";
import { readBrowserHost, readForwardedHost } from "../http/request-host.js";

/** A client may send any Host header, so the number of log lines is limited. */
const MAX_HOSTS = 10;

/**
 * A proxy that replaces Host usually sends one of these. If the redirect URI is https, a proxy is assumed.
 */
const PROXY_HEADERS = ["x-forwarded-for", "x-forwarded-proto", "x-real-ip", "forwarded", "via"];

/** Warns in the log if a login begins at another host than that of the redirect URI. */
export type HostCheck = (req: Request) => void;

/**
 * Creates the host check of one portalAuth(). It writes one warning to the log for each host, and at most
 * ten. Ports are ignored, because cookies do not depend on them (RFC 6265, section 8.5). A name that a proxy
 * has probably put in place of the browser's host is ignored too.
 */
export function createHostCheck(redirectUri: string, log: Log): HostCheck {
  const { hostname: expected, protocol } = new URL(redirectUri);
  const reported = new Set<string>();

  return function checkHost(req) {
    const host = readBrowserHost(req);
    if (host === "" || host === expected) return;
    if (reported.has(host) || reported.size >= MAX_HOSTS) return;
    const isProxied = protocol === "https:" || PROXY_HEADERS.some((name) => req.headers[name] !== undefined);
    const isHostForwarded = readForwardedHost(req) !== "";
    if (isProxied && !isHostForwarded && isUpstreamName(host, expected)) return;
    reported.add(host);
    log.warn(describeHostMismatch(host, expected, isHostForwarded));
  };
}

function describeHostMismatch(host: string, expected: string, isHostForwarded: boolean): string {
  const fact =
    `A login begins at the host ${host}, but PORTAL_REDIRECT_URI (option redirectUri) ` + `has ${expected}.`;
  const result = "the browser keeps the login's cookie for the first host, and the login fails at the second";
  const remedy = `Redirect ${host} to ${expected} before portalAuth().`;
  if (isHostForwarded) return `${fact} Therefore ${result}. ${remedy}`;
  const proxy =
    "If a proxy has replaced the header Host, let it send the browser's Host, or X-Forwarded-Host.";
  return `${fact} If the address bar shows ${host}, ${result}. ${remedy} ${proxy}`;
}

/**
 * Returns whether a proxy may have sent this name instead of the browser's host, as nginx does by default.
 * Such a name is an IP address or a single word. Logins work there, so no line is needed. If both names are
 * of this machine, they may be the browser's.
 */
function isUpstreamName(host: string, expected: string): boolean {
  if (isLoopback(host) && isLoopback(expected)) return false;
  return isIpAddress(host) || !host.includes(".");
}

const isIpAddress = (host: string): boolean => isIP(host.replace(/^\[|\]$/g, "")) !== 0;

const isLoopback = (host: string): boolean =>
  host === "localhost" || host === "[::1]" || host.startsWith("127.");
