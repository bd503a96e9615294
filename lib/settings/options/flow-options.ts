import * as v from "valibot";
import type { Hooks } from "../../contract/hooks.js";
import { derived, option, value } from "../option-record.js";
import { customFunction, origins, route, seconds, sitePath, text, toggle } from "../option-schemas.js";
import { showText, showUrl } from "../show-value.js";

const hook = <Name extends keyof Hooks>() => v.optional(customFunction<NonNullable<Hooks[Name]>>());

/**
 * The options for requests to the provider, for logins, API calls and logouts, and for the router's routes.
 */
export const flowOptions = {
  httpTimeout: option({
    variable: { name: "PORTAL_HTTP_TIMEOUT", scope: "shared", isSecret: false, ifUndefinedInCode: "read" },
    schema: seconds(0.05, 120),
    default: value(10),
    show: showText,
  }),
  clockTolerance: option({
    variable: { name: "PORTAL_CLOCK_TOLERANCE", scope: "shared", isSecret: false, ifUndefinedInCode: "read" },
    schema: seconds(0, 600),
    default: value(30),
    show: showText,
  }),
  refreshLeeway: option({
    variable: { name: "PORTAL_REFRESH_LEEWAY", scope: "shared", isSecret: false, ifUndefinedInCode: "read" },
    schema: seconds(0, 3600),
    default: value(30),
    show: showText,
  }),
  loginTimeout: option({
    variable: { name: "PORTAL_LOGIN_TIMEOUT", scope: "shared", isSecret: false, ifUndefinedInCode: "read" },
    schema: seconds(30, 86_400),
    default: value(600),
    show: showText,
  }),
  lateCallbackPath: option({
    variable: {
      name: "PORTAL_LATE_CALLBACK_PATH",
      scope: "shared",
      isSecret: false,
      ifUndefinedInCode: "read",
    },
    schema: sitePath,
    default: derived(() => "the start page"),
    show: showText,
  }),
  apiOrigins: option({
    variable: { name: "PORTAL_API_ORIGINS", scope: "shared", isSecret: false, ifUndefinedInCode: "read" },
    schema: origins(
      "write the origins of your APIs, such as https://api.example (http only on loopback), " +
        "separated by commas",
    ),
    default: value([]),
    show: showUrl,
  }),
  rolesClaim: option({
    variable: { name: "PORTAL_ROLES_CLAIM", scope: "shared", isSecret: false, ifUndefinedInCode: "read" },
    schema: text("write the name of the claim that holds a user's roles"),
    default: value("roles"),
    show: showText,
  }),
  silentLogin: option({
    variable: { name: "PORTAL_SILENT_LOGIN", scope: "shared", isSecret: false, ifUndefinedInCode: "read" },
    schema: toggle,
    default: value(false),
    show: showText,
  }),
  thirdPartyLogin: option({
    variable: {
      name: "PORTAL_THIRD_PARTY_LOGIN",
      scope: "shared",
      isSecret: false,
      ifUndefinedInCode: "read",
    },
    schema: toggle,
    default: value(false),
    show: showText,
  }),
  backchannelLogout: option({
    variable: {
      name: "PORTAL_BACKCHANNEL_LOGOUT",
      scope: "shared",
      isSecret: false,
      ifUndefinedInCode: "read",
    },
    schema: toggle,
    default: value(false),
    show: showText,
  }),
  frontchannelLogout: option({
    variable: {
      name: "PORTAL_FRONTCHANNEL_LOGOUT",
      scope: "shared",
      isSecret: false,
      ifUndefinedInCode: "read",
    },
    schema: toggle,
    default: value(false),
    show: showText,
  }),
  routes: option({
    variable: undefined,
    schema: v.strictObject({
      login: route,
      callback: route,
      logout: route,
      backchannelLogout: route,
      session: route,
      form: route,
      frontchannelLogout: route,
    }),
    default: value(
      {
        login: "/login",
        callback: "/callback",
        logout: "/logout",
        backchannelLogout: "/backchannel-logout",
        frontchannelLogout: "/frontchannel-logout",
      },
      ({ routes }) => showText(routes),
    ),
    show: showText,
  }),
  hooks: option({
    variable: undefined,
    schema: v.strictObject({
      onTokens: hook<"onTokens">(),
      onLogin: hook<"onLogin">(),
      onLogout: hook<"onLogout">(),
      onError: hook<"onError">(),
    }),
    default: value({}),
    show: showText,
  }),
};
