import { METHODS as NODE_METHODS, validateHeaderName, validateHeaderValue } from "node:http";
import { type CsrfOptions, resolveCsrf } from "../http/csrf.js";
import { isSafeUrl } from "../http/safe-url.js";
import { withoutTrailingSlash } from "../util/without-trailing-slash.js";
import { isNeverForwarded, isOwnRequestHeader, isOwnResponseHeader } from "./forwarded-headers.js";

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

const DEFAULT_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

const MAX_SECONDS = 24 * 60 * 60;

/** @throws TypeError when the app starts: what is missing, wrong or does not exist */
export function resolveProxyOptions(
  path: string,
  upstream: string,
  options: PortalProxyOptions,
): ProxySettings {
  const {
    portal,
    csrf = true,
    timeout = 30,
    idleTimeout = 300,
    headers = {},
    forwarded = true,
    ...others
  } = options;
  const { methods = DEFAULT_METHODS, requestHeaders = [], responseHeaders = [], ...unknown } = others;
  const [name] = Object.keys(unknown);
  assertValid(name === undefined, `there is no option ${name}`);
  assertValid(portal === undefined || typeof portal === "string", "portal must be a name");
  assertValid(typeof forwarded === "boolean", "forwarded must be true or false");
  resolveCsrf(csrf, "portalProxy");
  const own = resolvePath(path);
  const base = resolveUpstream(upstream);
  return {
    path: own,
    upstream: base,
    name: `${own || "/"} to ${base.origin}`,
    portal,
    csrf,
    timeoutMs: resolveSeconds("timeout", timeout),
    idleTimeoutMs: resolveSeconds("idleTimeout", idleTimeout),
    methods: parseMethods(methods),
    requestHeaders: parseHeaderNames("requestHeaders", requestHeaders, isNeverForwarded),
    responseHeaders: parseHeaderNames("responseHeaders", responseHeaders, isOwnResponseHeader),
    headers: resolveHeaders(headers),
    forwarded,
  };
}

function assertValid(isValid: boolean, message: string): asserts isValid {
  if (!isValid) throw new TypeError(`portalProxy: ${message}`);
}

function resolvePath(path: unknown): string {
  const isPath =
    typeof path === "string" && /^\/([\w\-.~]+(\/|$))*$/.test(path) && !/\/\.\.?(\/|$)/.test(path);
  assertValid(isPath, "the path must begin with /, without patterns, as '/api'");
  return path === "/" ? "" : withoutTrailingSlash(path);
}

function resolveUpstream(upstream: unknown): URL {
  const isUrl = typeof upstream === "string" && isSafeUrl(upstream) && !/[?#]/.test(upstream);
  assertValid(
    isUrl,
    "the upstream must be an https address (or http on loopback) without name and password, ? and #",
  );
  return new URL(upstream);
}

function resolveSeconds(name: string, seconds: unknown): number {
  const isValid = typeof seconds === "number" && seconds > 0 && seconds <= MAX_SECONDS;
  assertValid(isValid, `${name} must be seconds, more than 0 and at most ${MAX_SECONDS}`);
  return seconds * 1000;
}

function parseMethods(given: unknown): ReadonlySet<string> {
  const isValid = Array.isArray(given) && given.length > 0 && given.every(isMethod);
  assertValid(
    isValid,
    "methods must be a list of methods in capitals, such as ['GET', 'POST'], without CONNECT and TRACE",
  );
  return new Set(given);
}

const isMethod = (method: unknown): boolean =>
  typeof method === "string" && NODE_METHODS.includes(method) && method !== "CONNECT" && method !== "TRACE";

function parseHeaderNames(
  option: string,
  given: unknown,
  isOwn: (name: string) => boolean,
): ReadonlySet<string> {
  assertValid(Array.isArray(given), `${option} must be a list of header names`);
  const names = given.map((name) => {
    assertValid(
      typeof name === "string" && /^[\w!#$%&'*+.^`|~-]+$/.test(name),
      `${option} must be a list of header names`,
    );
    const lower = name.toLowerCase();
    assertValid(!isOwn(lower), `the header ${lower} cannot be in ${option}`);
    return lower;
  });
  return new Set(names);
}

function resolveHeaders(given: unknown): Record<string, string> {
  assertValid(typeof given === "object" && given !== null, "headers must be an object of names and values");
  return Object.fromEntries(
    Object.entries(given).map(([name, value]) => [resolveHeaderName(name, value), value]),
  );
}

/** A value may be a secret, so no message shows it. */
function resolveHeaderName(name: string, value: unknown): string {
  const lower = name.toLowerCase();
  assertValid(!isOwnRequestHeader(lower), `the header ${lower} is portalProxy's own`);
  try {
    validateHeaderName(lower);
    validateHeaderValue(lower, value as string);
  } catch {
    throw new TypeError(`portalProxy: headers[${JSON.stringify(name)}] is no header that can be sent`);
  }
  assertValid(typeof value === "string", `headers.${lower} must be text`);
  return lower;
}
