import type { Request } from "express";

/**
 * Returns whether the browser probably sent the request over https. Express trusts X-Forwarded-Proto only
 * with `trust proxy`. Here it always counts, so the result may choose a message, and must not let a request
 * pass.
 */
export const isProbablyHttps = (req: Request): boolean => req.secure || readForwardedProto(req) === "https";

/** Returns whether a proxy reports that the browser sent the request over http. */
export const isForwardedAsHttp = (req: Request): boolean =>
  !req.secure && (readForwardedProto(req) || readForwardedParameter(req)) === "http";

/** Requests that count as https because the option tlsTerminated says so. */
const assumed = new WeakSet<Request>();

/**
 * Makes a request count as https, for the option tlsTerminated. Express's `req.secure` is true afterwards.
 */
export function assumeHttps(req: Request): void {
  if (req.secure) return;
  assumed.add(req);
  Object.defineProperty(req, "secure", { value: true, configurable: true, enumerable: true });
}

/** Returns whether Express itself knows that a request came over https, without the option tlsTerminated. */
export const isVerifiedHttps = (req: Request): boolean => req.secure && !assumed.has(req);

/** Other headers with which proxies report https. Express and express-session read only X-Forwarded-Proto. */
const OTHER_HEADERS: readonly [header: string, reportsHttps: (req: Request) => boolean][] = [
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
 * Describes which headers of a request report https. Any client can send these headers, so the result is for
 * messages only.
 */
export function describeForwarding(req: Request): string {
  if (readForwardedProto(req) === "https")
    return "X-Forwarded-Proto: https came, but the session does not trust it";
  const header = OTHER_HEADERS.find(([, reportsHttps]) => reportsHttps(req))?.[0];
  return header === undefined ? "no header says https" : `${header} came, but only X-Forwarded-Proto is read`;
}

const readForwardedProto = (req: Request): string => readFirstValue(req, "x-forwarded-proto");

/** Returns the first value of a header, in lower case. The outermost proxy wrote it. */
function readFirstValue({ headers }: Request, name: string): string {
  const [first = ""] = String(headers[name] ?? "").split(",");
  return first.trim().toLowerCase();
}

/** Returns the parameter proto of the first element of Forwarded (RFC 7239, section 5.4), in lower case. */
function readForwardedParameter(req: Request): string {
  const parameters = readFirstValue(req, "forwarded").split(";");
  const proto = parameters.find((parameter) => parameter.trim().startsWith("proto="));
  return proto?.trim().slice("proto=".length).replaceAll('"', "") ?? "";
}
