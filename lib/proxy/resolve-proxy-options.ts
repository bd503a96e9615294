import { METHODS as NODE_METHODS, validateHeaderName, validateHeaderValue } from "node:http";
import { type CsrfOptions, resolveCsrf } from "../http/csrf.js";
import { isSafeUrl } from "../http/safe-url.js";
import { withoutTrailingSlash } from "../util/without-trailing-slash.js";
import { isNeverForwarded, isOwnRequestHeader, isOwnResponseHeader } from "./forwarded-headers.js";

/** Options of portalProxy(), besides the path and the upstream. */
export interface PortalProxyOptions {
  /** The portalAuth() whose login is required, by its option `name`. Default: the one of `req.portal`. */
  portal?: string;
  /**
   * The check of requireAuth() with the same name, but on by default. A request that can change something
   * must come from a page of this site. `false` turns the check off.
   */
  csrf?: boolean | CsrfOptions;
  /**
   * Maximum time in seconds until the upstream starts its response, including the time to connect. Each piece
   * of the upload restarts it. Default 30. After it, the response is 504 `upstream_timeout`.
   */
  timeout?: number;
  /**
   * Maximum time in seconds between two pieces of a response, including the time until the browser takes
   * them. Default 300. An event stream that is silent for longer needs more. After it, the connection is cut.
   */
  idleTimeout?: number;
  /**
   * Methods that are forwarded, in capitals. Others get 400 `proxy_request_refused`. CONNECT and TRACE are
   * never allowed: a response to TRACE would show the token (RFC 9110, section 9.3.8). Default GET, HEAD,
   * POST, PUT, PATCH, DELETE and OPTIONS.
   */
  methods?: readonly string[];
  /**
   * More headers of the browser's request that the upstream gets, such as `X-Api-Version`. Default none. The
   * headers that most APIs read are forwarded anyway. Do not add a header with which a gateway identifies the
   * user to the upstream.
   */
  requestHeaders?: readonly string[];
  /**
   * More headers of the upstream's response that the browser gets. Default none. A header that applies to a
   * whole origin, such as `Clear-Site-Data`, then applies to your application.
   */
  responseHeaders?: readonly string[];
  /** Headers for the upstream, such as an API key. They replace the browser's headers. Default none. */
  headers?: Readonly<Record<string, string>>;
  /**
   * Whether the upstream gets the client's address and the origin of the application. `X-Forwarded-For` is
   * Express's `req.ip`, which depends on `trust proxy`. `X-Forwarded-Host` and `X-Forwarded-Proto` are those
   * of PORTAL_REDIRECT_URI. Default true. The browser's headers with these names are never forwarded.
   */
  forwarded?: boolean;
}

/** The checked options with their defaults. */
export interface ProxySettings {
  /** Without a trailing slash; "" is the path where the proxy is mounted. */
  readonly path: string;
  /** Without a trailing slash. */
  readonly upstream: URL;
  /** The name of this proxy in the log. */
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

/**
 * Checks the options of portalProxy() and adds their defaults.
 *
 * @throws TypeError at start-up, if an argument is missing or invalid, or an option does not exist
 */
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
  const proxyPath = resolvePath(path);
  const baseUrl = resolveUpstream(upstream);
  return {
    path: proxyPath,
    upstream: baseUrl,
    name: `${proxyPath || "/"} to ${baseUrl.origin}`,
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
  assertValid(isPath, "the path must begin with / and contain no patterns, for example '/api'");
  return path === "/" ? "" : withoutTrailingSlash(path);
}

function resolveUpstream(upstream: unknown): URL {
  const isUrl = typeof upstream === "string" && isSafeUrl(upstream) && !/[?#]/.test(upstream);
  assertValid(
    isUrl,
    "the upstream must be an https URL (or http on loopback) without user name, password, query and fragment",
  );
  return new URL(upstream);
}

function resolveSeconds(name: string, seconds: unknown): number {
  const isValid = typeof seconds === "number" && seconds > 0 && seconds <= MAX_SECONDS;
  assertValid(isValid, `${name} must be a number of seconds, more than 0 and at most ${MAX_SECONDS}`);
  return seconds * 1000;
}

function parseMethods(methods: unknown): ReadonlySet<string> {
  const isValid = Array.isArray(methods) && methods.length > 0 && methods.every(isMethod);
  assertValid(
    isValid,
    "methods must be a list of methods in capitals, such as ['GET', 'POST'], without CONNECT and TRACE",
  );
  return new Set(methods);
}

const isMethod = (method: unknown): boolean =>
  typeof method === "string" && NODE_METHODS.includes(method) && method !== "CONNECT" && method !== "TRACE";

function parseHeaderNames(
  option: string,
  headerNames: unknown,
  isForbidden: (name: string) => boolean,
): ReadonlySet<string> {
  assertValid(Array.isArray(headerNames), `${option} must be a list of header names`);
  const names = headerNames.map((name) => {
    assertValid(
      typeof name === "string" && /^[\w!#$%&'*+.^`|~-]+$/.test(name),
      `${option} must be a list of header names`,
    );
    const lower = name.toLowerCase();
    assertValid(!isForbidden(lower), `the header ${lower} cannot be in ${option}`);
    return lower;
  });
  return new Set(names);
}

function resolveHeaders(headers: unknown): Record<string, string> {
  assertValid(
    typeof headers === "object" && headers !== null,
    "headers must be an object of names and values",
  );
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [resolveHeaderName(name, value), value]),
  );
}

/** Returns the name of a valid header in lower case. The value may be a secret, so no message shows it. */
function resolveHeaderName(name: string, value: unknown): string {
  const lower = name.toLowerCase();
  assertValid(!isOwnRequestHeader(lower), `the header ${lower} is set by portalProxy itself`);
  try {
    validateHeaderName(lower);
    validateHeaderValue(lower, value as string);
  } catch {
    throw new TypeError(`portalProxy: headers[${JSON.stringify(name)}] is not a valid header`);
  }
  assertValid(typeof value === "string", `headers.${lower} must be a string`);
  return lower;
}
