import * as v from "valibot";
import { isSafeUrl } from "../../http/safe-url.js";
import { hasOpenid } from "../check-authorization-params.js";
import { derived, NONE, option, REQUIRED, value } from "../option-record.js";
import { plainUrl, text, toggle } from "../option-schemas.js";
import type { PortalAuthOptions } from "../portal-auth-options.js";
import { showSecret, showText, showUrl } from "../show-value.js";
import { ID_TOKEN_ALGORITHMS } from "../signature-algorithms.js";

/** The options about the client: how the application is registered at the provider, and what it requests. */
export const clientOptions = {
  clientId: option({
    variable: { name: "PORTAL_CLIENT_ID", scope: "provider", isSecret: false, ifUndefinedInCode: "reject" },
    schema: text("write the client_id that the provider shows for your application"),
    default: REQUIRED,
    show: showText,
  }),
  clientSecret: option({
    variable: { name: "PORTAL_CLIENT_SECRET", scope: "client", isSecret: true, ifUndefinedInCode: "reject" },
    schema: text("write the client_secret that the provider shows for your application"),
    default: NONE, // required unless clientAuth is "none": see option-conflicts.ts
    show: showSecret,
  }),
  clientAuth: option({
    variable: { name: "PORTAL_CLIENT_AUTH", scope: "provider", isSecret: false, ifUndefinedInCode: "read" },
    schema: v.picklist(
      ["client_secret_post", "client_secret_basic", "none"],
      "write client_secret_post, client_secret_basic or none",
    ),
    default: value("client_secret_post"),
    show: showText,
  }),
  redirectUri: option({
    variable: { name: "PORTAL_REDIRECT_URI", scope: "shared", isSecret: false, ifUndefinedInCode: "reject" },
    schema: v.pipe(
      plainUrl(
        "write the URL of your callback, https://… (http only on loopback), " +
          "as it is registered at the provider, e.g. https://app.example/callback",
      ),
      v.check(
        (written) => !isSafeUrl(written) || new URL(written).href === written,
        "write it as browsers do: lower-case host, no default port, a path",
      ),
    ),
    default: REQUIRED,
    show: showUrl,
  }),
  tlsTerminated: option({
    variable: { name: "PORTAL_TLS_TERMINATED", scope: "shared", isSecret: false, ifUndefinedInCode: "read" },
    schema: toggle,
    default: value(false),
    show: showText,
  }),
  scope: option({
    variable: { name: "PORTAL_SCOPE", scope: "provider", isSecret: false, ifUndefinedInCode: "read" },
    schema: v.pipe(
      text("write scopes separated by spaces"),
      v.check((scope) => hasOpenid(scope), "write openid first: without it there is no ID token"),
    ),
    default: value("openid"),
    show: showText,
  }),
  authorizationParams: option({
    variable: {
      name: "PORTAL_AUTH_SOURCE_ID",
      scope: "provider",
      isSecret: false,
      ifUndefinedInCode: "read",
      convert: (id) => ({ auth_source_id: id }),
    },
    schema: v.custom<NonNullable<PortalAuthOptions["authorizationParams"]>>(
      (written) =>
        typeof written === "function" ||
        (typeof written === "object" && written !== null && !Array.isArray(written)),
      "write an object, or a function of the request that returns one",
    ),
    default: value({}),
    show: showText,
  }),
  nonce: option({
    variable: { name: "PORTAL_NONCE", scope: "provider", isSecret: false, ifUndefinedInCode: "read" },
    schema: v.picklist(["required", "optional", "off"], "write required, optional or off"),
    default: derived(
      ({ nonce }) => nonce,
      () => "profile",
    ),
    show: showText,
  }),
  idTokenAlg: option({
    variable: { name: "PORTAL_ID_TOKEN_ALG", scope: "provider", isSecret: false, ifUndefinedInCode: "read" },
    schema: v.picklist(ID_TOKEN_ALGORITHMS, `write one of ${ID_TOKEN_ALGORITHMS.join(", ")}`),
    default: derived(() => "RS256 if the provider announces it, else its other asymmetric algorithms"),
    show: showText,
  }),
};
