import type { Request } from "express";
import type { Parts } from "../context/router-context.js";
import type { TokenSet } from "../contract/tokens.js";
import { linkTo } from "../http/external-url.js";
import { RequestPortal } from "../request-portal.js";
import type { ExplainedOption } from "../settings/explain.js";

/** A token as it may be looked at: what is in it, and never what makes it one. */
export interface TokenView {
  readonly name: "id_token" | "access_token" | "refresh_token";
  /** In characters. */
  readonly length: number;
  /** Of a JWT (RFC 7519); undefined for what is opaque. */
  readonly header?: object;
  readonly claims?: object;
  /** Epoch seconds. */
  readonly from?: number | undefined;
  readonly ends_at?: number | undefined;
}

/** Who is logged in in this browser, at one portalAuth(). */
export interface PersonView {
  readonly instance: string;
  readonly sub: string | undefined;
  readonly name: string | undefined;
  /** Where to log in and out, when there are such routes. */
  readonly login: string | undefined;
  readonly logout: string | undefined;
  /** Epoch seconds: of the login, and of its end in any case. */
  readonly started_at: number | undefined;
  readonly ends_at: number | undefined;
  readonly tokens: readonly TokenView[];
}

/** At each portalAuth() that this request has met. */
export const peopleHere = (req: Request): Promise<PersonView[]> => Promise.all(portalsOf(req).map(personOf));

/** Their configurations, by instance. */
export const configurationHere = (req: Request): Record<string, readonly ExplainedOption[]> =>
  Object.fromEntries(
    portalsOf(req).map((portal) => {
      const { parts } = RequestPortal.insideOf(portal);
      return [nameOf(parts), parts.explained];
    }),
  );

/** Whether people reach one of them over https. */
export const isHttpsHere = (req: Request): boolean =>
  portalsOf(req).some((portal) => RequestPortal.insideOf(portal).parts.settings.https);

/** The secrets of the routers that this request has passed. */
export const secretsHere = (req: Request): readonly string[] =>
  portalsOf(req).flatMap((portal) => RequestPortal.insideOf(portal).parts.settings.secrets);

function portalsOf(req: Request): RequestPortal[] {
  const all = [req.portal as RequestPortal | undefined, ...Object.values(req.portals ?? {})];
  return [...new Set(all.filter((portal) => portal !== undefined))];
}

const nameOf = ({ settings }: Parts): string => settings.name ?? "default";

async function personOf(portal: RequestPortal): Promise<PersonView> {
  const { parts, visit } = RequestPortal.insideOf(portal);
  const { routes, sessionAbsolute } = parts.settings;
  const link = (route: string | false) =>
    route === false ? undefined : linkTo(parts.settings, visit.mount, route);
  const tokens = await portal.tokens();
  const kept = portal.isAuthenticated ? portal.session?.portal : undefined;
  const { sub, name } = portal.claims ?? {};
  return {
    instance: nameOf(parts),
    sub,
    name: typeof name === "string" ? name : undefined,
    login: link(routes.login),
    logout: link(routes.logout),
    started_at: kept?.started_at,
    ends_at: kept && kept.started_at + sessionAbsolute,
    tokens: tokens ? viewsOf(tokens, kept?.obtained_at) : [],
  };
}

function viewsOf(tokens: TokenSet, obtained_at: number | undefined): TokenView[] {
  const { id_token, access_token, refresh_token, expires_at, refresh_expires_at } = tokens;
  const views = [
    viewOf("access_token", access_token, obtained_at, expires_at),
    ...(id_token === undefined ? [] : [viewOf("id_token", id_token)]),
    ...(refresh_token === undefined
      ? []
      : [viewOf("refresh_token", refresh_token, obtained_at, refresh_expires_at)]),
  ];
  return withoutTokens(views, [access_token, id_token, refresh_token]);
}

/** Some portals put tokens into the claims of others: of those, too, no more than their length is shown. */
function withoutTokens<T>(views: T, stored: readonly unknown[]): T {
  const isToken = (value: string) => stored.includes(value) || isJose(value);
  return JSON.parse(
    JSON.stringify(views, (_name, value: unknown) =>
      typeof value === "string" && isToken(value) ? `[a token of ${value.length} characters]` : value,
    ),
  );
}

/** A JWS has three parts, a JWE five (RFC 7515 and RFC 7516, section 7.1), and the first is a header. */
function isJose(value: string): boolean {
  const parts = value.split(".");
  return (parts.length === 3 || parts.length === 5) && readPart(parts[0] ?? "") !== undefined;
}

function viewOf(name: TokenView["name"], token: string, from?: number, ends_at?: number): TokenView {
  const [header, claims] = token.split(".").length === 3 ? token.split(".").slice(0, 2).map(readPart) : [];
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

/** Shown, and not believed: nothing here looks at a signature. */
function readPart(part: string): object | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(part, "base64url").toString("utf8"));
    return typeof value === "object" && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}
