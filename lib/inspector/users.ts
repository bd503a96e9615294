import type { Request } from "express";
import type { RouterContext } from "../context/router-context.js";
import type { TokenSet } from "../contract/tokens.js";
import { getRouteUrl } from "../http/external-url.js";
import { RequestPortal } from "../request-portal.js";
import type { ExplainedOption } from "../settings/explain.js";

/** The content of a token, never the token itself. */
export interface TokenView {
  readonly name: "id_token" | "access_token" | "refresh_token";
  /** In characters. */
  readonly length: number;
  /** The header of a JWT (RFC 7519); undefined for an opaque token. */
  readonly header?: object;
  readonly claims?: object;
  /** Epoch seconds. */
  readonly from?: number | undefined;
  readonly ends_at?: number | undefined;
}

/** The user of this browser, at one portalAuth(). */
export interface UserView {
  readonly instance: string;
  readonly sub: string | undefined;
  readonly name: string | undefined;
  /** The URLs to sign in and out, if the routes exist. */
  readonly login: string | undefined;
  readonly logout: string | undefined;
  /** When the login started, and when it ends at the latest, in epoch seconds. */
  readonly started_at: number | undefined;
  readonly ends_at: number | undefined;
  readonly tokens: readonly TokenView[];
}

/** Returns the user at each portalAuth() that this request has passed. */
export const describeUsers = (req: Request): Promise<UserView[]> =>
  Promise.all(findRequestPortals(req).map(describeUser));

/** Returns the configurations of the portalAuth() that this request has passed, by instance. */
export const describeConfigurations = (req: Request): Record<string, readonly ExplainedOption[]> =>
  Object.fromEntries(
    findRequestPortals(req).map((portal) => {
      const { router } = RequestPortal.internalsOf(portal);
      return [getInstanceName(router), router.explainedOptions];
    }),
  );

/** Returns whether users reach a portalAuth() of this request over https. */
export const isReachedOverHttps = (req: Request): boolean =>
  findRequestPortals(req).some((portal) => RequestPortal.internalsOf(portal).router.settings.https);

/** Returns the secrets of the portalAuth() that this request has passed. */
export const collectSecrets = (req: Request): readonly string[] =>
  findRequestPortals(req).flatMap((portal) => RequestPortal.internalsOf(portal).router.settings.secrets);

function findRequestPortals(req: Request): RequestPortal[] {
  const all = [req.portal as RequestPortal | undefined, ...Object.values(req.portals ?? {})];
  return [...new Set(all.filter((portal) => portal !== undefined))];
}

const getInstanceName = ({ settings }: RouterContext): string => settings.name ?? "default";

async function describeUser(portal: RequestPortal): Promise<UserView> {
  const { router, request } = RequestPortal.internalsOf(portal);
  const { routes, sessionAbsolute } = router.settings;
  const link = (route: string | false) =>
    route === false ? undefined : getRouteUrl(router.settings, request.mount, route);
  const tokens = await portal.tokens();
  const storedLogin = portal.isAuthenticated ? portal.session?.portal : undefined;
  const { sub, name } = portal.claims ?? {};
  return {
    instance: getInstanceName(router),
    sub,
    name: typeof name === "string" ? name : undefined,
    login: link(routes.login),
    logout: link(routes.logout),
    started_at: storedLogin?.started_at,
    ends_at: storedLogin && storedLogin.started_at + sessionAbsolute,
    tokens: tokens ? describeTokens(tokens, storedLogin?.obtained_at) : [],
  };
}

function describeTokens(tokens: TokenSet, obtained_at: number | undefined): TokenView[] {
  const { id_token, access_token, refresh_token, expires_at, refresh_expires_at } = tokens;
  const views = [
    describeToken("access_token", access_token, obtained_at, expires_at),
    ...(id_token === undefined ? [] : [describeToken("id_token", id_token)]),
    ...(refresh_token === undefined
      ? []
      : [describeToken("refresh_token", refresh_token, obtained_at, refresh_expires_at)]),
  ];
  return redactTokens(views, [access_token, id_token, refresh_token]);
}

/**
 * Replaces tokens inside of claims by their length. Some providers put tokens into the claims of other
 * tokens.
 */
function redactTokens<T>(views: T, stored: readonly unknown[]): T {
  const isToken = (value: string) => stored.includes(value) || isJoseToken(value);
  return JSON.parse(
    JSON.stringify(views, (_name, value: unknown) =>
      typeof value === "string" && isToken(value) ? `[a token of ${value.length} characters]` : value,
    ),
  );
}

/** Returns whether a text is a JWS of three parts or a JWE of five (RFC 7515 and RFC 7516, section 7.1). */
function isJoseToken(value: string): boolean {
  const parts = value.split(".");
  return (parts.length === 3 || parts.length === 5) && parseJwtPart(parts[0] ?? "") !== undefined;
}

function describeToken(name: TokenView["name"], token: string, from?: number, ends_at?: number): TokenView {
  const [header, claims] =
    token.split(".").length === 3 ? token.split(".").slice(0, 2).map(parseJwtPart) : [];
  if (!header || !claims) return { name, length: token.length, from, ends_at };
  const { iat, exp } = claims as { iat?: unknown; exp?: unknown };
  const seconds = (value: unknown) => (typeof value === "number" ? value : undefined);
  return {
    name,
    length: token.length,
    header,
    claims,
    from: from ?? seconds(iat),
    ends_at: ends_at ?? seconds(exp),
  };
}

/** Parses a part of a JWT for display. Its signature is not verified. */
function parseJwtPart(part: string): object | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(part, "base64url").toString("utf8"));
    return typeof value === "object" && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}
