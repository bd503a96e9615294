import { isSameIssuer } from "../settings/is-same-issuer.js";
import type { Settings } from "../settings/settings.js";
import type { Provider } from "./discovery.js";

/**
 * Decides whether a request's parameter `iss` names the provider.
 *
 * @param portal Undefined while the provider is unreachable. Then the option decides: an outage does not change the answer to
 *   requests that need nothing else from the provider
 */
export function isIssuerOfProvider(
  provider: Provider | undefined,
  { issuer }: Pick<Settings, "issuer">,
  iss: unknown,
): boolean {
  if (provider) return provider.issuer.includes(iss);
  return typeof iss === "string" && isSameIssuer(iss, issuer);
}
