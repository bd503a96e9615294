import { option, value } from "../option-record.js";
import { toggle } from "../option-schemas.js";
import { showText } from "../show-value.js";

/** The options for logouts that the provider starts. */
export const logoutOptions = {
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
};
