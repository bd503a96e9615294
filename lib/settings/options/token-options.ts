import { option, value } from "../option-record.js";
import { origins, seconds, text } from "../option-schemas.js";
import { showText, showUrl } from "../show-value.js";

/** The options for tokens and claims: when they are refreshed, where they are sent, where the roles are. */
export const tokenOptions = {
  refreshLeeway: option({
    variable: { name: "PORTAL_REFRESH_LEEWAY", scope: "shared", isSecret: false, ifUndefinedInCode: "read" },
    schema: seconds(0, 3600),
    default: value(30),
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
};
