import type { Request } from "express";

/**
 * Tells whether a request came over https, as far as can be seen. Express believes a proxy only if `trust
 * proxy` says so. Here X-Forwarded-Proto always counts, so this may only choose a message, and never let a
 * request pass.
 */
export const isProbablyHttps = (req: Request): boolean => req.secure || readForwardedProto(req) === "https";

/** Tells whether a proxy reports that the browser came over http. */
export const isForwardedAsHttp = (req: Request): boolean =>
  !req.secure && (readForwardedProto(req) || readForwardedParameter(req)) === "http";

/** Requests that count as https because the option tlsTerminated says so. */
const assumed = new WeakSet<Request>();

/**
 * Makes a request count as https: see the option tlsTerminated. Express's `req.secure` is true afterwards.
 */
export function assumeHttps(req: Request): void {
  if (req.secure) return;
  assumed.add(req);
  Object.defineProperty(req, "secure", { value: true, configurable: true, enumerable: true });
}

/** Tells whether Express itself knows that a request came over https, without the option tlsTerminated. */
export const isVerifiedHttps = (req: Request): boolean => req.secure && !assumed.has(req);

/** Headers by which proxies report https. Express and express-session read X-Forwarded-Proto and no other. */
const OTHER_SPELLINGS: readonly [name: string, says: (req: Request) => boolean][] = [
  ["Forwarded: proto=https", (req) => readForwardedParameter(req) === "https"],
  ["X-Forwarded-Ssl: on", (req) => readFirstValue(req, "x-forwarded-ssl") === "on"],
  ["Front-End-Https: on", (req) => readFirstValue(req, "front-end-https") === "on"],
  ["X-Forwarded-Scheme: https", (req) => readFirstValue(req, "x-forwarded-scheme") === "https"],
  ["X-Forwarded-Protocol: https", (req) => readFirstValue(req, "x-forwarded-protocol") === "https"],
  ["X-Url-Scheme: https", (req) => readFirstValue(req, "x-url-scheme") === "https"],
  [
    "CloudFront-Forwarded-Proto: https",
    (req) => readFirstValue(req, "cloudfront-forwarded-proto") === "https",
  ],
];

/**
 * Describes what the headers of a request say about https. For messages only: anybody can send these headers.
 */
export function describeForwarding(req: Request): string {
  if (readForwardedProto(req) === "https")
    return "X-Forwarded-Proto: https came, but the session does not trust it";
  const seen = OTHER_SPELLINGS.find(([, says]) => says(req))?.[0];
  return seen === undefined
    ? "no header says https"
    : `${seen} came, which is not read: only X-Forwarded-Proto is`;
}

const readForwardedProto = (req: Request): string => readFirstValue(req, "x-forwarded-proto");

/** The first value of a header, in lower case. The outermost proxy wrote it. */
function readFirstValue({ headers }: Request, name: string): string {
  const [first = ""] = String(headers[name] ?? "").split(",");
  return first.trim().toLowerCase();
}

/** The parameter proto of the first element of Forwarded (RFC 7239, section 5.4), in lower case. */
function readForwardedParameter(req: Request): string {
  const parameters = readFirstValue(req, "forwarded").split(";");
  const proto = parameters.find((parameter) => parameter.trim().startsWith("proto="));
  return proto?.trim().slice("proto=".length).replaceAll('"', "") ?? "";
}
