import type { PortalSession, StoredPortal } from "./stored.js";
import type { Vault } from "./vault.js";

/** One portalAuth() that keeps logins in a store. */
export interface Tenant {
  readonly issuer: string;
  readonly clientId: string;
  readonly vault: Vault;
  /** Those of the vault. */
  readonly keys: readonly string[];
  /** So long a login lives at most. */
  readonly absoluteSeconds: number;
  /** Whether sessions are to be found by that of the portal (`sid`), for the logouts that it asks for. */
  readonly findsBySid: boolean;
}

/** Whose logins lie in one store: each is sealed and opened by the vault of its own portalAuth(). */
export class Tenants {
  readonly #known: Tenant[] = [];
  readonly #warn: (message: string) => void;

  constructor(warn: (message: string) => void) {
    this.#warn = warn;
  }

  admit(tenant: Tenant): void {
    const known = this.of({ issuer: tenant.issuer, client_id: tenant.clientId });
    if (!known) return void this.#known.push(tenant);
    if (known.keys.join() !== tenant.keys.join()) this.#warn(OTHER_KEYS);
    // of two with different redirect addresses what finds more sessions holds
    const absoluteSeconds = Math.max(known.absoluteSeconds, tenant.absoluteSeconds);
    const findsBySid = known.findsBySid || tenant.findsBySid;
    this.#known[this.#known.indexOf(known)] = { ...known, absoluteSeconds, findsBySid };
  }

  /** Whose login this is; undefined where nobody here has such. */
  of({ issuer, client_id }: Pick<StoredPortal, "issuer" | "client_id">): Tenant | undefined {
    return this.#known.find((tenant) => tenant.issuer === issuer && tenant.clientId === client_id);
  }

  /** As it is used; undefined when it cannot be opened. */
  open(id: string, portal: StoredPortal): PortalSession | undefined {
    if (typeof portal.tokens !== "string") return portal as PortalSession;
    const vault = this.of(portal)?.vault;
    return vault ? vault.open(id, portal) : (portal as PortalSession); // not ours: nobody will read it
  }

  /** As it goes to the store. */
  close(id: string, portal: StoredPortal): StoredPortal {
    return this.of(portal)?.vault?.close(id, portal) ?? portal;
  }
}

const OTHER_KEYS =
  "Two portalAuth() of the same issuer and client keep their sessions in one store with different TOKEN_ENCRYPTION_KEYs: the keys of the first are used. Give both the same.";
