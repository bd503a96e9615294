import * as v from "valibot";
import { hasEndpointsByHand } from "../has-endpoints-by-hand.js";
import { derived, NONE, option, REQUIRED } from "../option-record.js";
import { httpsUrlOf, internalUrl, plainUrl, tenants, url } from "../option-schemas.js";
import { PROFILES, type ProfileName } from "../profiles.js";
import { showText, showUrl } from "../show-value.js";

/** The options that say which provider is meant, and where it is. */
export const providerOptions = {
  name: option({
    variable: undefined,
    schema: v.pipe(
      v.string(),
      v.regex(
        /^[a-zA-Z][\w-]{0,31}$/,
        "write a letter, followed by letters, digits and -, 32 characters at most",
      ),
    ),
    default: NONE,
    show: showText,
  }),
  issuer: option({
    variable: { name: "PORTAL_ISSUER", scope: "shared", isSecret: false, ifUndefinedInCode: "reject" },
    schema: plainUrl(
      "write the provider's issuer, https://… (http only on loopback), exactly as in its discovery document",
    ),
    default: REQUIRED,
    show: showUrl,
  }),
  discoveryUrl: option({
    variable: {
      name: "PORTAL_DISCOVERY_URL",
      scope: "provider",
      isSecret: false,
      ifUndefinedInCode: "read",
    },
    schema: url(httpsUrlOf("the provider's discovery document")),
    default: derived((settings) =>
      hasEndpointsByHand(settings)
        ? "none: the endpoints are set"
        : `${settings.issuer}/.well-known/openid-configuration`,
    ),
    show: showUrl,
  }),
  internalUrl: option({
    variable: { name: "PORTAL_INTERNAL_URL", scope: "provider", isSecret: false, ifUndefinedInCode: "read" },
    schema: internalUrl(
      "write the provider's URL in your network, e.g. http://keycloak:8080 (https for a public host)",
    ),
    default: NONE,
    show: showUrl,
  }),
  allowedTenants: option({
    variable: {
      name: "PORTAL_ALLOWED_TENANTS",
      scope: "provider",
      isSecret: false,
      ifUndefinedInCode: "read",
    },
    schema: tenants("write ids of Microsoft Entra tenants separated by commas, or * for all"),
    default: NONE,
    show: showText,
  }),
  profile: option({
    variable: { name: "PORTAL_PROFILE", scope: "provider", isSecret: false, ifUndefinedInCode: "read" },
    schema: v.picklist(Object.keys(PROFILES) as ProfileName[], "write tencent-ciam or openid"),
    default: derived(({ profile }) => profile.name),
    show: showText,
  }),
};
