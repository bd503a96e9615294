import { METHODS as NODE_METHODS, validateHeaderName, validateHeaderValue } from "node:http";
import { type CsrfOptions, settleCsrf } from "../http/csrf.js";
import { isSafeAddress } from "../http/safe-url.js";
import { withoutSlash } from "../util/without-trailing-slash.js";
import { isNeverForwarded, isOwnAnswerHeader, isOwnRequestHeader } from "./forwarded-headers.js";

/** What portalProxy() is told beside the path and the upstream. */
export interface PortalProxyOptions {
  /** Whose login is wanted: the option `name` of that portalAuth(). Default: that of `req.portal`. */
  portal?: string;
  /** As of requireAuth(), but on: what may change something must come from a page of this site. `false` turns it off. */
  csrf?: boolean | CsrfOptions;
  /**
   * Seconds in which the upstream must begin its answer, counted from the last piece of the upload; connecting is part of
   * them. Default 30. Afterwards the answer is 504 `upstream_timeout`.
   */
  timeout?: number;
  /**
   * Seconds in which the next piece of an answer that has begun must come, and be taken by the browser. Default 300; a
   * stream of events that is silent for longer wants more. Afterwards the connection is cut.
   */
  idleTimeout?: number;
  /**
   * Methods that are forwarded, in capitals; others get 400 `proxy_request_refused`. Never CONNECT or TRACE, whose answer
   * would show the token (RFC 9110, section 9.3.8). Default GET, HEAD, POST, PUT, PATCH, DELETE and OPTIONS.
   */
  methods?: readonly string[];
  /**
   * More headers of the browser's request that the upstream gets, by name, such as `X-Api-Version`. Default none: what most
   * APIs read is forwarded anyway. Do not name a header by which a gateway tells the upstream who the user is.
   */
  requestHeaders?: readonly string[];
  /**
   * More headers of the upstream's answer that the browser gets, by name. Default none. A header that speaks for the whole
   * origin, such as `Clear-Site-Data`, then speaks for your application.
   */
  responseHeaders?: readonly string[];
  /** Headers for the upstream, e.g. an API key, in place of those that the browser sent by that name. Default none. */
  headers?: Readonly<Record<string, string>>;
  /**
   * Whether the upstream is told for whom it is asked: `X-Forwarded-For` is Express's `req.ip` (so mind `trust proxy`),
   * `X-Forwarded-Host` and `X-Forwarded-Proto` are those of PORTAL_REDIRECT_URI. Default true. What the browser sent under
   * such names is kept out in any case.
   */
  forwarded?: boolean;
}

/** The same, checked, with its defaults. */
export interface ProxySettings {
  /** Without a slash at its end: "" is the mount itself. */
  readonly path: string;
  /** Without a slash at its end. */
  readonly upstream: URL;
  /** How the log names it. */
  readonly name: string;
  readonly portal: string | undefined;
  readonly csrf: boolean | CsrfOptions;
  readonly timeoutMs: number;
  readonly idleTimeoutMs: number;
  readonly methods: ReadonlySet<string>;
  /** In lower case, as are the following. */
  readonly requestHeaders: ReadonlySet<string>;
  readonly responseHeaders: ReadonlySet<string>;
  readonly headers: Readonly<Record<string, string>>;
  readonly forwarded: boolean;
}

const METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

const MOST_SECONDS = 24 * 60 * 60;

/** @throws TypeError when the app starts: what is missing, wrong or does not exist */
export function settleProxy(path: string, upstream: string, options: PortalProxyOptions): ProxySettings {
  const {
    portal,
    csrf = true,
    timeout = 30,
    idleTimeout = 300,
    headers = {},
    forwarded = true,
    ...others
  } = options;
  const { methods = METHODS, requestHeaders = [], responseHeaders = [], ...unknown } = others;
  const [name] = Object.keys(unknown);
  check(name === undefined, `there is no option ${name}`);
  check(portal === undefined || typeof portal === "string", "portal must be a name");
  check(typeof forwarded === "boolean", "forwarded must be true or false");
  settleCsrf(csrf, "portalProxy");
  const own = settlePath(path);
  const base = settleUpstream(upstream);
  return {
    path: own,
    upstream: base,
    name: `${own || "/"} to ${base.origin}`,
    portal,
    csrf,
    timeoutMs: settleSeconds("timeout", timeout),
    idleTimeoutMs: settleSeconds("idleTimeout", idleTimeout),
    methods: parseMethods(methods),
    requestHeaders: parseNames("requestHeaders", requestHeaders, isNeverForwarded),
    responseHeaders: parseNames("responseHeaders", responseHeaders, isOwnAnswerHeader),
    headers: settleHeaders(headers),
    forwarded,
  };
}

function check(isRight: boolean, message: string): asserts isRight {
  if (!isRight) throw new TypeError(`portalProxy: ${message}`);
}

function settlePath(path: unknown): string {
  const isPath =
    typeof path === "string" && /^\/([\w\-.~]+(\/|$))*$/.test(path) && !/\/\.\.?(\/|$)/.test(path);
  check(isPath, "the path must begin with /, without patterns, as '/api'");
  return path === "/" ? "" : withoutSlash(path);
}

function settleUpstream(upstream: unknown): URL {
  const isAddress = typeof upstream === "string" && isSafeAddress(upstream) && !/[?#]/.test(upstream);
  check(
    isAddress,
    "the upstream must be an https address (or http on loopback) without name and password, ? and #",
  );
  return new URL(upstream);
}

function settleSeconds(name: string, seconds: unknown): number {
  const isRight = typeof seconds === "number" && seconds > 0 && seconds <= MOST_SECONDS;
  check(isRight, `${name} must be seconds, more than 0 and at most ${MOST_SECONDS}`);
  return seconds * 1000;
}

function parseMethods(given: unknown): ReadonlySet<string> {
  const isRight = Array.isArray(given) && given.length > 0 && given.every(isMethod);
  check(
    isRight,
    "methods must be a list of methods in capitals, such as ['GET', 'POST'], without CONNECT and TRACE",
  );
  return new Set(given);
}

const isMethod = (method: unknown): boolean =>
  typeof method === "string" && NODE_METHODS.includes(method) && method !== "CONNECT" && method !== "TRACE";

function parseNames(option: string, given: unknown, isOwn: (name: string) => boolean): ReadonlySet<string> {
  check(Array.isArray(given), `${option} must be a list of header names`);
  const names = given.map((name) => {
    check(
      typeof name === "string" && /^[\w!#$%&'*+.^`|~-]+$/.test(name),
      `${option} must be a list of header names`,
    );
    const lower = name.toLowerCase();
    check(!isOwn(lower), `the header ${lower} cannot be in ${option}`);
    return lower;
  });
  return new Set(names);
}

function settleHeaders(given: unknown): Record<string, string> {
  check(typeof given === "object" && given !== null, "headers must be an object of names and values");
  return Object.fromEntries(Object.entries(given).map(([name, value]) => [settleName(name, value), value]));
}

/** A value may be a secret, so no message shows it. */
function settleName(name: string, value: unknown): string {
  const lower = name.toLowerCase();
  check(!isOwnRequestHeader(lower), `the header ${lower} is portalProxy's own`);
  try {
    validateHeaderName(lower);
    validateHeaderValue(lower, value as string);
  } catch {
    throw new TypeError(`portalProxy: headers[${JSON.stringify(name)}] is no header that can be sent`);
  }
  check(typeof value === "string", `headers.${lower} must be text`);
  return lower;
}
