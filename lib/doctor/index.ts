import type { PortalAuthOptions } from "../settings/portal-auth-options.js";
import type { DiagnoseOptions, Diagnosis } from "./diagnose.js";

export type { Check, CheckGroup, Verdict } from "./check.js";
export type { DiagnoseOptions, Diagnosis } from "./diagnose.js";

/**
 * Looks whether logins can work with these options: the options by themselves, the portal, the credentials, the redirect
 * address, the cookies, the session store. It changes nothing: at the portal a code that was made up is refused; in the
 * store a session of a minute is written under a random id and taken away again. Nothing secret stands in what it gives.
 * It takes as long as the portal and the store take, each request at most `httpTimeout`; whatever they do is told, and
 * not thrown.
 *
 * @param options as given to portalAuth(); what is left out comes from the environment
 * @throws TypeError a group to be left out that does not exist
 */
export async function diagnose(
  options: PortalAuthOptions = {},
  more: DiagnoseOptions = {},
): Promise<Diagnosis> {
  // loaded when somebody asks: an app that only logs people in need not wait for it when it starts
  const doctor = await import("./diagnose.js");
  return doctor.diagnose(options, more);
}
