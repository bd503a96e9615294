import { hasEndpointsByHand } from "../settings/has-endpoints-by-hand.js";
import type { Settings } from "../settings/settings.js";
import { withoutTrailingSlash } from "../util/without-trailing-slash.js";

type UrlSettings = Pick<Settings, "issuer" | "discoveryUrl" | "internalUrl">;

/**
 * Returns the URL that this server requests. At the issuer's origin, the option `internalUrl` replaces the
 * origin: in a container network the provider has another name than in browsers. Other URLs stay unchanged.
 */
export function toServerUrl(url: string, { issuer, internalUrl }: UrlSettings): string {
  if (internalUrl === undefined || !URL.canParse(url)) return url;
  const { origin, pathname, search } = new URL(url);
  if (origin !== new URL(issuer).origin) return url;
  return withoutTrailingSlash(internalUrl) + pathname + search;
}

/** Returns the URL of the discovery document (OpenID Connect Discovery 1.0, section 4). */
export function getDiscoveryUrl(settings: UrlSettings): string {
  const { issuer, discoveryUrl = `${withoutTrailingSlash(issuer)}/.well-known/openid-configuration` } =
    settings;
  return toServerUrl(discoveryUrl, settings);
}

/** Returns the origin of the option `internalUrl`: the only one that may be http outside of this machine. */
export const getInternalOrigin = ({ internalUrl }: Pick<Settings, "internalUrl">): string | undefined =>
  internalUrl === undefined ? undefined : new URL(internalUrl).origin;

/** Returns a URL of the provider that this server requests at each login, to test the connection. */
export const getProbeUrl = (settings: Settings): string =>
  hasEndpointsByHand(settings) ? toServerUrl(settings.tokenUrl ?? "", settings) : getDiscoveryUrl(settings);
