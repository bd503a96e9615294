import { isSameIssuer } from "../settings/is-same-issuer.js";
import type { Settings } from "../settings/settings.js";

/** Microsoft Entra writes this into the issuer of its endpoints `common` and `organizations`. */
const PLACEHOLDER = "{tenantid}";

const GUID = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/i;

/** The tenants whose users may sign in. `*` allows all. Undefined for a provider without tenants. */
type AllowedTenants = Settings["allowedTenants"];

/** The claims of a token that identify its issuer. */
interface IssuerClaims {
  readonly iss?: unknown;
  readonly tid?: unknown;
}

/**
 * The provider's issuer identifier, exactly as its discovery document writes it. This class makes all
 * comparisons with a received `iss` (OpenID Connect Core 1.0, section 3.1.3.7, step 2; RFC 9207, section
 * 2.4).
 */
export class ProviderIssuer {
  readonly identifier: string;
  readonly #allowed: AllowedTenants;

  constructor(identifier: string, allowed: AllowedTenants) {
    this.identifier = identifier;
    this.#allowed = allowed;
  }

  /** Whether many tenants share the issuer, each with its own issuer identifier. */
  get hasTenants(): boolean {
    return hasTenants(this.identifier);
  }

  /**
   * Returns whether a parameter `iss` names this provider or one of its allowed tenants. Such a parameter has
   * no `tid` beside it.
   */
  includes(iss: unknown): boolean {
    if (typeof iss !== "string") return false;
    if (!this.hasTenants) return iss === this.identifier;
    const [before = "", after = ""] = this.identifier.split(PLACEHOLDER);
    if (!iss.startsWith(before) || !iss.endsWith(after)) return false;
    const tenant = iss.slice(before.length, iss.length - after.length);
    return iss === before + tenant + after && this.#allows(tenant);
  }

  /**
   * Returns what is wrong with the issuer of a token. Undefined if it is right. The `iss` of a tenant's token
   * must match its own `tid`, and the tenant must be allowed.
   */
  findProblem({ iss, tid }: IssuerClaims): string | undefined {
    if (!this.hasTenants)
      return iss === this.identifier ? undefined : this.#describeMismatch(iss, this.identifier);
    if (typeof tid !== "string" || !GUID.test(tid)) return "claim tid: missing, or not the id of a tenant";
    if (!this.#allows(tid)) return `claim tid: ${tid} is not in PORTAL_ALLOWED_TENANTS`;
    const expected = this.identifier.replace(PLACEHOLDER, () => tid);
    return iss === expected ? undefined : this.#describeMismatch(iss, expected);
  }

  #describeMismatch = (received: unknown, expected: string): string =>
    `claim iss: received ${toIssuerText(received)}, expected ${expected}`;

  #allows(tenant: string): boolean {
    if (this.#allowed === undefined || !GUID.test(tenant)) return false;
    return this.#allowed === "*" || this.#allowed.includes(tenant.toLowerCase());
  }
}

/** Returns whether many tenants share the issuer. */
export const hasTenants = (identifier: string): boolean => identifier.includes(PLACEHOLDER);

/**
 * Returns whether the issuer of a discovery document is the one of the option `issuer`. If the issuer
 * contains a placeholder for a tenant, the option may have any name in its place: `common`, `organizations`
 * or `{tenantid}`.
 */
export function isIssuerOfDocument(option: string, document: string): boolean {
  if (!hasTenants(document)) return isSameIssuer(option, document);
  const [before = "", after = ""] = document.split(PLACEHOLDER);
  const name = option.slice(before.length).split("/")[0] ?? "";
  return name !== "" && isSameIssuer(option, before + name + after);
}

/** Returns an issuer for a log line. A value that is not an http URL is not shown. */
export const toIssuerText = (value: unknown): string =>
  typeof value === "string" && /^https?:\/\/[\w.:[\]/~%{}-]{1,200}$/.test(value)
    ? value
    : "something that is not an issuer";
