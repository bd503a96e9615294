import { describePostLogoutUrl } from "../../http/external-url.js";
import { hasEndpointsByHand } from "../has-endpoints-by-hand.js";
import { derived, option, value } from "../option-record.js";
import { httpsUrlOf, seconds, url } from "../option-schemas.js";
import type { Profile } from "../profiles.js";
import { showText, showUrl } from "../show-value.js";

/** An endpoint that is in the discovery document, or set by hand together with the other required ones. */
const FROM_DISCOVERY = derived((settings) => (hasEndpointsByHand(settings) ? undefined : "from discovery"));

/** An endpoint that the profile supplies if the discovery document omits it. */
const fromProfile = (endpoint: keyof Profile["endpoints"]) =>
  derived(
    ({ profile, issuer }) => {
      const path: string | undefined = profile.endpoints[endpoint];
      return path === undefined ? "from discovery" : `from discovery, else ${issuer}${path}`;
    },
    (settings) => (settings?.profile.endpoints[endpoint] ? "profile" : "default"),
  );

/**
 * The options for requests to the provider: its URLs, timeouts, and the URL to which it redirects after a
 * logout.
 */
export const endpointOptions = {
  authorizationUrl: option({
    variable: {
      name: "PORTAL_AUTHORIZATION_URL",
      scope: "provider",
      isSecret: false,
      ifUndefinedInCode: "read",
    },
    schema: url(httpsUrlOf("the provider's authorization endpoint")),
    default: FROM_DISCOVERY,
    show: showUrl,
  }),
  tokenUrl: option({
    variable: { name: "PORTAL_TOKEN_URL", scope: "provider", isSecret: false, ifUndefinedInCode: "read" },
    schema: url(httpsUrlOf("the provider's token endpoint")),
    default: FROM_DISCOVERY,
    show: showUrl,
  }),
  jwksUrl: option({
    variable: { name: "PORTAL_JWKS_URL", scope: "provider", isSecret: false, ifUndefinedInCode: "read" },
    schema: url(httpsUrlOf("the provider's keys, a JWK set")),
    default: FROM_DISCOVERY,
    show: showUrl,
  }),
  userinfoUrl: option({
    variable: { name: "PORTAL_USERINFO_URL", scope: "provider", isSecret: false, ifUndefinedInCode: "read" },
    schema: url(httpsUrlOf("the provider's userinfo endpoint")),
    default: fromProfile("userinfo"),
    show: showUrl,
  }),
  revocationUrl: option({
    variable: {
      name: "PORTAL_REVOCATION_URL",
      scope: "provider",
      isSecret: false,
      ifUndefinedInCode: "read",
    },
    schema: url(httpsUrlOf("the provider's revocation endpoint")),
    default: fromProfile("revocation"),
    show: showUrl,
  }),
  logoutUrl: option({
    variable: { name: "PORTAL_LOGOUT_URL", scope: "provider", isSecret: false, ifUndefinedInCode: "read" },
    schema: url(httpsUrlOf("the provider's logout endpoint, which ends the user's session there")),
    default: fromProfile("logout"),
    show: showUrl,
  }),
  postLogoutRedirectUri: option({
    variable: {
      name: "PORTAL_POST_LOGOUT_REDIRECT_URI",
      scope: "shared",
      isSecret: false,
      ifUndefinedInCode: "read",
    },
    schema: url("write the https URL to which the provider redirects after a logout (http only on loopback)"),
    default: derived((settings) => describePostLogoutUrl(settings)),
    show: showUrl,
  }),
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
};
