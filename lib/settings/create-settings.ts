import type { Hooks } from "../contract/hooks.js";
import { MEMORY_URL } from "../store/store-url.js";
import { deepFreeze } from "../util/deep-freeze.js";
import { systemClock } from "../util/time.js";
import { withoutTrailingSlash } from "../util/without-trailing-slash.js";
import { DEFAULTS, type ValidOptions } from "./option-table.js";
import type { Routes } from "./portal-auth-options.js";
import { detectProfile, PROFILES, type Profile } from "./profiles.js";
import type { Settings } from "./settings.js";

/**
 * Creates the settings from valid options: fills in the defaults that depend on other options, and freezes
 * the settings. The application's own store and logger are not frozen. A client without authentication
 * (`clientAuth` "none") has no client secret.
 */
export function createSettings(options: ValidOptions): Settings {
  const { secret, tokenEncryptionKey, store, logger, ...same } = options;
  const { issuer, clientAuth, clientSecret, authorizationParams, nonce, clock, redirectUri } = options;
  const profile: Profile = PROFILES[options.profile ?? detectProfile(new URL(issuer))];
  const settings = {
    ...same,
    issuer: withoutTrailingSlash(issuer),
    issuerAsWritten: issuer,
    profile,
    clientSecret: clientAuth === "none" ? undefined : clientSecret,
    authorizationParams:
      typeof authorizationParams === "function" ? authorizationParams : { ...authorizationParams },
    nonce: nonce ?? profile.nonce,
    routes: resolveRoutes(options),
    hooks: options.hooks as Hooks,
    secrets: secret,
    tokenEncryptionKeys: tokenEncryptionKey ?? [],
    clock: clock ?? systemClock,
    https: redirectUri.startsWith("https:"),
  };
  return Object.freeze({ ...deepFreeze(settings), store: store === MEMORY_URL ? undefined : store, logger });
}

/**
 * Returns the path of each route; false for a route that is off. The session route is off unless it has a
 * path. A logout route is off unless the option of the same name is on.
 */
export function resolveRoutes(options: ValidOptions): Routes {
  const given = Object.entries(options.routes).filter(([, path]) => path !== undefined);
  const routes = { ...DEFAULTS.routes, session: false, ...Object.fromEntries(given) } as Routes;
  // The form's route is below the login's, because two routers below one mount have different login routes.
  const { login, form = login && `${withoutTrailingSlash(login)}/form` } = routes;
  const off = SWITCHED.filter((name) => !options[name]).map((name) => [name, false]);
  return { ...routes, form, ...Object.fromEntries(off) };
}

/** Routes that exist only if the option of the same name is on. */
const SWITCHED = ["backchannelLogout", "frontchannelLogout"] as const;
