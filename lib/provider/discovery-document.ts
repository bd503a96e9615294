import type * as oidc from "openid-client";
import { PortalAuthError } from "../errors/portal-auth-error.js";
import { hasEndpointsByHand } from "../settings/has-endpoints-by-hand.js";
import type { Settings } from "../settings/settings.js";
import { parseJsonObject } from "../util/parse-json-object.js";
import { explainFailure } from "./explain-failure.js";
import type { ProviderFetch } from "./provider-fetch.js";
import { hasTenants, isIssuerOfDocument, toIssuerText } from "./provider-issuer.js";
import { getDiscoveryUrl } from "./server-url.js";

/**
 * Fetches the discovery document and checks that it belongs to the configured issuer (OpenID Connect
 * Discovery 1.0, section 4.3). If the endpoints are set by options, it returns a document that contains only
 * the option `issuer`.
 *
 * @throws PortalAuthError `issuer_mismatch`, `discovery_invalid`, or why the request failed
 */
export async function fetchDiscoveryDocument(
  settings: Settings,
  fetch: ProviderFetch,
): Promise<oidc.ServerMetadata> {
  const document = hasEndpointsByHand(settings)
    ? { issuer: settings.issuerAsWritten }
    : await requestDocument(getDiscoveryUrl(settings), fetch);
  checkIssuer(document.issuer, settings);
  return document;
}

async function requestDocument(url: string, fetch: ProviderFetch): Promise<oidc.ServerMetadata> {
  const response = await fetch(url, { headers: { accept: "application/json" } });
  const text = response.status === 200 ? await response.text().catch(throwExplained) : "";
  const parsed = parseJsonObject(text);
  if (!parsed) return throwExplained(new Error("no discovery document", { cause: response }));
  const document = filterPlainMembers(parsed);
  if (typeof document["issuer"] !== "string" || document["issuer"] === "")
    throw new PortalAuthError("discovery_invalid", { detail: "issuer: missing" });
  return document as oidc.ServerMetadata;
}

function throwExplained(error: unknown): never {
  throw explainFailure(error, "discovery");
}

/**
 * Keeps the types of members that the specifications define: strings, numbers, booleans, and lists of
 * strings. Null counts as absent, because some providers write it for endpoints that they do not have. No
 * object is used here.
 */
const filterPlainMembers = (document: Record<string, unknown>): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(document)
      .filter(([, member]) => typeof member !== "object" || Array.isArray(member))
      .map(([name, member]) => [
        name,
        Array.isArray(member) ? member.filter((item) => typeof item === "string") : member,
      ]),
  );

function checkIssuer(issuer: string, { issuerAsWritten, allowedTenants }: Settings): void {
  const received = toIssuerText(issuer);
  if (!isIssuerOfDocument(issuerAsWritten, issuer))
    throw new PortalAuthError("issuer_mismatch", {
      detail: `the document says ${received}, PORTAL_ISSUER (option issuer) says ${issuerAsWritten}`,
    });
  if (hasTenants(issuer) && allowedTenants === undefined)
    throw createDiscoveryError(
      `the issuer ${received} is shared by many tenants: set PORTAL_ALLOWED_TENANTS ` +
        "(option allowedTenants) to the tenants whose users may sign in, or to * for all tenants",
    );
  if (!hasTenants(issuer) && allowedTenants !== undefined)
    throw createDiscoveryError(
      "PORTAL_ALLOWED_TENANTS (option allowedTenants) needs an issuer with {tenantid}, " +
        `and the document says ${received}: remove the option`,
    );
}

const createDiscoveryError = (detail: string) => new PortalAuthError("discovery_invalid", { detail });
