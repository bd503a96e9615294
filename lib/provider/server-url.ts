import { hasEndpointsByHand } from "../settings/has-endpoints-by-hand.js";
import type { Settings } from "../settings/settings.js";
import { withoutSlash } from "../util/without-trailing-slash.js";

type Places = Pick<Settings, "issuer" | "discoveryUrl" | "internalUrl">;

/**
 * Returns the address that this server requests. At the issuer's origin, the option `internalUrl` takes the place of the
 * origin: in a container network the provider has another name than in browsers. Other addresses stay as they are.
 */
export function toServerAddress(address: string, { issuer, internalUrl }: Places): string {
  if (internalUrl === undefined || !URL.canParse(address)) return address;
  const { origin, pathname, search } = new URL(address);
  if (origin !== new URL(issuer).origin) return address;
  return withoutSlash(internalUrl) + pathname + search;
}

/** Returns the address of the discovery document (OpenID Connect Discovery 1.0, section 4). */
export function discoveryAddress(places: Places): string {
  const { issuer, discoveryUrl = `${withoutSlash(issuer)}/.well-known/openid-configuration` } = places;
  return toServerAddress(discoveryUrl, places);
}

/** Returns the origin of the option `internalUrl`: the only one that may be http outside of this machine. */
export const internalOrigin = ({ internalUrl }: Pick<Settings, "internalUrl">): string | undefined =>
  internalUrl === undefined ? undefined : new URL(internalUrl).origin;

/** Returns an address of the provider that this server requests at each login, for a look at the connection. */
export const addressToProbe = (settings: Settings): string =>
  hasEndpointsByHand(settings)
    ? toServerAddress(settings.tokenUrl ?? "", settings)
    : discoveryAddress(settings);
