import { PortalAuthError } from "../errors.js";
import { keepNewest } from "../newest.js";
import type { TokenSet } from "../tokens.js";
import { createSealer } from "./seal.js";
import type { PortalSession, StoredPortal } from "./stored.js";

/** Seals the tokens of a session for the store, and opens them. */
export interface Vault {
  /** As it is stored: sealed where there is a key. What is sealed already stays. */
  close(id: string, portal: StoredPortal): StoredPortal;
  /** As it is used; undefined for what was tampered with, or sealed for another session, or by a key that is gone. */
  open(id: string, portal: StoredPortal): PortalSession | undefined;
}

/** Opened token sets that are remembered: a request of a person who is known to this process decrypts nothing. */
const MOST_OPENED = 2000;

interface Opened {
  readonly sealed: string;
  readonly sub: string;
  readonly tokens: TokenSet | undefined;
}

/** Bound to the session and to the person: what was copied from another session opens nothing. */
interface Content {
  readonly session: string;
  readonly sub: string;
  readonly tokens: TokenSet;
}

/** @param report told of each session, once, whose tokens cannot be opened */
export function createVault(keys: readonly string[], report: (error: PortalAuthError) => void): Vault {
  const sealer = keys.length > 0 ? createSealer(keys, "tokens at rest") : undefined;
  const opened = new Map<string, Opened>(); // the one that was not used for longest first

  function remember(id: string, entry: Opened): Opened {
    keepNewest(opened, id, entry, MOST_OPENED);
    return entry;
  }

  function unseal(id: string, sub: string, sealed: string): Opened {
    const content = sealer?.open(sealed) as Content | undefined;
    if (content?.session === id && content.sub === sub)
      return remember(id, { sealed, sub, tokens: Object.freeze(content.tokens) });
    report(new PortalAuthError("tokens_unreadable", { detail: reasonOf(sealer !== undefined, content) }));
    return remember(id, { sealed, sub, tokens: undefined });
  }

  return {
    close(id, portal) {
      const { tokens, claims } = portal;
      if (!sealer || typeof tokens === "string") return portal;
      const content: Content = { session: id, sub: claims.sub, tokens };
      return { ...portal, tokens: sealer.seal(content) };
    },
    open(id, portal) {
      const { tokens: sealed, claims } = portal;
      if (typeof sealed !== "string") return portal as PortalSession;
      const known = opened.get(id);
      const isKnown = known?.sealed === sealed && known.sub === claims?.sub;
      const { tokens } = isKnown ? remember(id, known) : unseal(id, claims?.sub, sealed);
      return tokens && { ...portal, tokens };
    },
  };
}

function reasonOf(hasKey: boolean, content: Content | undefined): string {
  if (!hasKey) return "sealed tokens, and no key";
  return content ? "tokens of another session or person" : "sealed by another key, or changed";
}
