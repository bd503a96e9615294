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
 * Fetches the discovery document and checks that it is the provider's own (OpenID Connect Discovery 1.0, section 4.3). Without
 * discovery the document says what the option `issuer` says, and nothing else.
 *
 * @throws PortalAuthError `issuer_mismatch`, `discovery_invalid`, or what kept the provider from answering
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
 * Keeps the members that the specifications define: texts, numbers, booleans, and lists, of which only texts are kept. Null
 * counts as absent, as some providers write it for what they do not have. Objects say nothing that is used here.
 */
const filterPlainMembers = (document: Record<string, unknown>): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(document)
      .filter(([, member]) => typeof member !== "object" || Array.isArray(member))
      .map(([name, member]) => [
        name,
        Array.isArray(member) ? member.filter((one) => typeof one === "string") : member,
      ]),
  );

function checkIssuer(issuer: string, { issuerAsWritten, allowedTenants }: Settings): void {
  if (!isIssuerOfDocument(issuerAsWritten, issuer)) {
    const detail = `the document says ${toIssuerText(issuer)}, PORTAL_ISSUER (option issuer) says ${issuerAsWritten}`;
    throw new PortalAuthError("issuer_mismatch", { detail });
  }
  if (hasTenants(issuer) && allowedTenants === undefined)
    throw new PortalAuthError("discovery_invalid", {
      detail: `the issuer ${toIssuerText(issuer)} stands for many tenants: list those that may sign in in PORTAL_ALLOWED_TENANTS (option allowedTenants), or write * for all`,
    });
  if (!hasTenants(issuer) && allowedTenants !== undefined)
    throw new PortalAuthError("discovery_invalid", {
      detail: `PORTAL_ALLOWED_TENANTS (option allowedTenants) needs an issuer with {tenantid}, and the document says ${toIssuerText(issuer)}: remove the option`,
    });
}
