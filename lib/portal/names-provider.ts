import { isSameIssuer } from "../is-same-issuer.js";
import type { Settings } from "../settings/settings.js";
import type { GetPortal } from "./discover.js";

/**
 * Decides whether a request's parameter `iss` names the provider. If the provider is unreachable, the option decides: an
 * outage does not change the answer to requests that need nothing else from the provider.
 */
export async function namesProvider(
  { settings, getPortal }: { readonly settings: Settings; readonly getPortal: GetPortal },
  iss: unknown,
): Promise<boolean> {
  const portal = await getPortal().catch(() => undefined);
  if (portal) return portal.issuer.includes(iss);
  return typeof iss === "string" && isSameIssuer(iss, settings.issuer);
}
