import type { PortalAuthOptions } from "../settings/portal-auth-options.js";
import type { DiagnoseOptions, Diagnosis } from "./diagnose.js";

export type { Check, CheckGroup, Verdict } from "./check.js";
export type { DiagnoseOptions, Diagnosis } from "./diagnose.js";

/**
 * Checks whether users can sign in with these options. It checks the options, the provider, the credentials,
 * the redirect URI, the cookies and the session store.
 *
 * It changes nothing. The provider gets a made-up code, which it rejects. The store gets a record under a
 * random key. The record is removed again, and expires after a minute in any case. The result contains no
 * secrets. Each request takes at most `httpTimeout`. If the provider or the store fails, diagnose()
 * returns a failed check and does not throw.
 *
 * @param options The options of portalAuth(). Omitted options come from the environment.
 * @param more What to check, and with which environment.
 * @throws TypeError if `skip` names a group that does not exist
 */
export async function diagnose(
  options: PortalAuthOptions = {},
  more: DiagnoseOptions = {},
): Promise<Diagnosis> {
  // The doctor is loaded at the first call, so that it does not delay the start of apps that never call it.
  const doctor = await import("./diagnose.js");
  return doctor.diagnose(options, more);
}
