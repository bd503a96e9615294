import { derived, option, value } from "../option-record.js";
import { seconds, sitePath, toggle } from "../option-schemas.js";
import { showText } from "../show-value.js";

/** The options for logins: how long they may take, and who may start them. */
export const loginOptions = {
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
};
