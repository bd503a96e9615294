import * as v from "valibot";
import type { Hooks } from "../../contract/hooks.js";
import { option, value } from "../option-record.js";
import { customFunction, route } from "../option-schemas.js";
import { showText } from "../show-value.js";

const hook = <Name extends keyof Hooks>() => v.optional(customFunction<NonNullable<Hooks[Name]>>());

/** The options for the router's routes and for hooks of the application. */
export const routeAndHookOptions = {
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
