import type { Clock } from "../../clock.js";
import type { PortalAuthError } from "../../errors.js";
import type { TokenSet } from "../../tokens.js";
import type { Keeper } from "../keeper.js";
import type { PortalSession } from "../stored.js";

/** A store that is down when new tokens shall be kept is asked again for so long: a rotated refresh token is the only one. */
export const KEEP_TRYING_MS = 30_000;

/** What a refresh came to. */
export interface Renewed {
  readonly tokens: TokenSet;
  /** Thrown once the tokens are kept: the portal has answered, and what came after has failed. */
  readonly failure?: PortalAuthError;
}

export interface Refresh {
  readonly keeper: Keeper;
  readonly clock: Clock;
  /** Whether these tokens will do, as somebody else has brought them meanwhile. */
  readonly isEnough: (stored: PortalSession) => boolean;
  /** Why the portal need not be asked just now, if there is a reason: tokens that somebody else has brought will still do. */
  readonly obstacle: () => PortalAuthError | undefined;
  /** Whether it is done because a resource has refused a token that had not ended. */
  readonly afterRefusal: boolean;
  /**
   * Asks the portal. Called while this process holds the session's claim, with what is stored then. Must come to an end:
   * the session is nobody else's before.
   */
  readonly renew: (stored: PortalSession) => Promise<Renewed>;
  /** After so long `renew` has come to an end. */
  readonly renewAtMostMs: number;
  /** Whether what `renew` threw means that this login is over. */
  readonly endsSession: (error: unknown) => boolean;
  /** The session was ended while the portal was asked: its new refresh token belongs to nobody. */
  readonly onOrphan: (tokens: TokenSet) => void;
}
