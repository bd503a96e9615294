import { isSameIssuer } from "../settings/is-same-issuer.js";
import type { Settings } from "../settings/settings.js";

/** Microsoft Entra writes this into the issuer of its endpoints `common` and `organizations`. */
const PLACEHOLDER = "{tenantid}";

const GUID = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/i;

/** The tenants that may sign in; `*` for all of them; undefined for a provider without tenants. */
type AllowedTenants = Settings["allowedTenants"];

/** The claims of a token that say which provider issued it. */
interface IssuerClaims {
  readonly iss?: unknown;
  readonly tid?: unknown;
}

/**
 * The provider's issuer identifier, as its discovery document writes it. All comparisons with an `iss` that arrives are made
 * here, and they are exact (OpenID Connect Core 1.0, section 3.1.3.7, step 2; RFC 9207, section 2.4).
 */
export class ProviderIssuer {
  readonly identifier: string;
  readonly #allowed: AllowedTenants;

  constructor(identifier: string, allowed: AllowedTenants) {
    this.identifier = identifier;
    this.#allowed = allowed;
  }

  /** Whether the issuer stands for many tenants, each with an issuer identifier of its own. */
  get hasTenants(): boolean {
    return hasTenants(this.identifier);
  }

  /** Whether a parameter `iss`, which comes without a tenant's `tid`, names this provider or an allowed tenant of it. */
  includes(iss: unknown): boolean {
    if (typeof iss !== "string") return false;
    if (!this.hasTenants) return iss === this.identifier;
    const [before = "", after = ""] = this.identifier.split(PLACEHOLDER);
    if (!iss.startsWith(before) || !iss.endsWith(after)) return false;
    const tenant = iss.slice(before.length, iss.length - after.length);
    return iss === before + tenant + after && this.#allows(tenant);
  }

  /**
   * Says what is wrong with the issuer of a token; undefined if nothing is. The `iss` of a tenant's token must fit its own
   * `tid`, and the tenant must be allowed.
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

export const hasTenants = (identifier: string): boolean => identifier.includes(PLACEHOLDER);

/**
 * Decides whether a discovery document's issuer is the one that the option `issuer` names. For an issuer with a tenant's
 * place in it, the option may have any name there: `common`, `organizations` or `{tenantid}` itself.
 */
export function isIssuerOfDocument(option: string, document: string): boolean {
  if (!hasTenants(document)) return isSameIssuer(option, document);
  const [before = "", after = ""] = document.split(PLACEHOLDER);
  const name = option.slice(before.length).split("/")[0] ?? "";
  return name !== "" && isSameIssuer(option, before + name + after);
}

/** Prepares an issuer for a log line: an address as it is, and nothing else that a token may hold there. */
export const toIssuerText = (value: unknown): string =>
  typeof value === "string" && /^https?:\/\/[\w.:[\]/~%{}-]{1,200}$/.test(value)
    ? value
    : "something that is not an issuer";
