import { isSameIssuer } from "../settings/is-same-issuer.js";
import type { Settings } from "../settings/settings.js";
import type { Provider } from "./discovery.js";

/**
 * Returns whether the parameter `iss` of a request names the provider.
 *
 * @param provider Undefined while the provider is unreachable. Then the option decides, so that an outage
 *   does not change the result
 */
export function isIssuerOfProvider(
  provider: Provider | undefined,
  { issuer }: Pick<Settings, "issuer">,
  iss: unknown,
): boolean {
  if (provider) return provider.issuer.includes(iss);
  return typeof iss === "string" && isSameIssuer(iss, issuer);
}
