import type { PortalSession, StoredPortal } from "./stored.js";
import type { Vault } from "./vault.js";

/** One portalAuth() that keeps logins in a store. */
export interface Tenant {
  readonly issuer: string;
  readonly clientId: string;
  readonly vault: Vault;
  /** Those of the vault. */
  readonly keys: readonly string[];
}

/** Whose logins lie in one store: each is sealed and opened by the vault of its own portalAuth(). */
export class Tenants {
  readonly #known: Tenant[] = [];
  readonly #warn: (message: string) => void;

  constructor(warn: (message: string) => void) {
    this.#warn = warn;
  }

  admit(tenant: Tenant): void {
    const known = this.#known.find(({ issuer, clientId }) => issuer === tenant.issuer && clientId === tenant.clientId);
    if (!known) this.#known.push(tenant);
    else if (known.keys.join() !== tenant.keys.join()) this.#warn(OTHER_KEYS);
  }

  /** As it is used; undefined when it cannot be opened. */
  open(id: string, portal: StoredPortal): PortalSession | undefined {
    if (typeof portal.tokens !== "string") return portal as PortalSession;
    const vault = this.#vaultOf(portal);
    return vault ? vault.open(id, portal) : (portal as PortalSession); // not ours: nobody will read it
  }

  /** As it goes to the store. */
  close(id: string, portal: StoredPortal): StoredPortal {
    return this.#vaultOf(portal)?.close(id, portal) ?? portal;
  }

  #vaultOf({ issuer, client_id }: StoredPortal): Vault | undefined {
    return this.#known.find((tenant) => tenant.issuer === issuer && tenant.clientId === client_id)?.vault;
  }
}

const OTHER_KEYS =
  "Two portalAuth() of the same issuer and client keep their sessions in one store with different TOKEN_ENCRYPTION_KEYs: the keys of the first are used. Give both the same.";
