/** In every event: when it was told, and by which portalAuth(). Nothing of a person, and no secret, stands in any of them. */
export interface PortalAuthEvent {
  /** Epoch milliseconds. */
  readonly at: number;
  /** The option `name`; "default" where there is none. */
  readonly instance: string;
  /** The option `issuer`, without the slash at its end. */
  readonly issuer: string;
  /** The option `clientId`. */
  readonly client_id: string;
}

/** The parts of a callback: see LoginStep. */
export type LoginStepName = "callback" | "discovery" | "state" | "exchange" | "checks" | "hooks" | "session";

/** One part of a login, in the order in which they happened. */
export interface LoginStep {
  /**
   * callback: what came is read. discovery: the portal's document. state: the attempt is found by it, iss and error are
   * looked at. exchange: the code for tokens. checks: the ID token's signature and claims. hooks: onTokens and onLogin.
   * session: the new session, saved.
   */
  readonly step: LoginStepName;
  /** Milliseconds since the callback came. */
  readonly from: number;
  /** How long it took, in milliseconds. */
  readonly took: number;
}

/** A browser is sent to the portal. */
export interface LoginStarted extends PortalAuthEvent {
  /** Names this attempt, in the events that follow. It leads to nothing. */
  readonly login: string;
  /** Whether nobody has asked for it, and the portal is not to ask anybody (`prompt=none`). */
  readonly silent: boolean;
}

/** A session has begun. */
export interface LoginFinished extends LoginStarted {
  /** Since the browser was sent to the portal, in milliseconds: most of it is the person's. */
  readonly since_started: number;
  /** How long the callback took, in milliseconds. */
  readonly took: number;
  /** All of them, in order. */
  readonly steps: readonly LoginStep[];
}

/** A callback came to nothing. */
export interface LoginFailed extends PortalAuthEvent {
  /** Undefined when the attempt is not known. */
  readonly login: string | undefined;
  /** Whether nobody has asked for it: then `interaction_needed` is what becomes of most. False when the attempt is not known. */
  readonly silent: boolean;
  /** Of PortalAuthError. */
  readonly code: string;
  /** The HTTP status of the answer. */
  readonly status: number;
  /** Since the browser was sent to the portal, in milliseconds; undefined when the attempt is not known. */
  readonly since_started: number | undefined;
  /** How long the callback took, in milliseconds. */
  readonly took: number;
  /** As far as it came; the last one failed. */
  readonly steps: readonly LoginStep[];
}

/** An access token was renewed. */
export interface RefreshDone extends PortalAuthEvent {
  /** Names this refresh, within this process. */
  readonly refresh: number;
  /** In milliseconds, the portal's answer, hooks and the store included. */
  readonly took: number;
  /** Whether the portal gave another refresh token. */
  readonly rotated: boolean;
}

/** A request waits for a refresh that is under way. */
export interface RefreshJoined extends PortalAuthEvent {
  /** The refresh that this request shares. */
  readonly refresh: number;
}

/** An access token could not be renewed. */
export interface RefreshFailed extends PortalAuthEvent {
  /** Names this refresh, within this process. */
  readonly refresh: number;
  /** Of PortalAuthError. */
  readonly code: string;
  /** The HTTP status of the failure. */
  readonly status: number;
  /** In milliseconds. */
  readonly took: number;
  /** Whether the login is over: the person has to sign in again. */
  readonly ends_session: boolean;
}

/** A refresh waited for another process. */
export interface LockWaited extends PortalAuthEvent {
  /** What another process held: the refresh of a session. */
  readonly refresh: number;
  /** In milliseconds. */
  readonly waited: number;
  /** Whether what the other one brought will do; where not, this process refreshes now. */
  readonly renewed: boolean;
}

/**
 * Why a session ended. logout: the person signed out of it. everywhere: signed out of all, in another of their sessions.
 * session_ended: chose this one in another of their sessions. backchannel, frontchannel: the portal asked for it.
 */
export type LogoutReason = "logout" | "everywhere" | "session_ended" | "backchannel" | "frontchannel";

/** A person has logged out, or sessions of theirs were ended otherwise. */
export interface LoggedOut extends PortalAuthEvent {
  /** Why, as onLogout is told it. */
  readonly reason: LogoutReason;
  /** How many sessions were ended. */
  readonly sessions: number;
  /** Whether there was a login to end. */
  readonly had_login: boolean;
  /** Whether a portal's logout was there to send the person to. */
  readonly at_portal: boolean;
}

/** The guard turned somebody away whose session holds a login that does not count. */
export interface SessionRefused extends PortalAuthEvent {
  /** Why the login in a session that came with a request does not count. */
  readonly reason: "too_old" | "of_another_portal_auth" | "unconfirmed" | "not_ours" | "unreadable";
}

/** A failure was answered or logged: one event for each, however many requests report it. */
export interface Failed extends PortalAuthEvent {
  /** Of PortalAuthError. */
  readonly code: string;
  /** The HTTP status of the failure. */
  readonly status: number;
  /** Stands in the log line and on each page that reports the failure; undefined if no request can report it. */
  readonly request_id: string | undefined;
  /** What to do. */
  readonly hint: string;
  /** What was seen. */
  readonly detail: string | undefined;
}

/** The channels of node:diagnostics_channel, each named `express-portal-auth:` and one of these, and what is published there. */
export interface PortalAuthEvents {
  /** A browser is sent to the portal. */
  "login.started": LoginStarted;
  /** A session has begun. */
  "login.finished": LoginFinished;
  /** A callback came to nothing. A person who said no is one of them (`login_denied`). */
  "login.failed": LoginFailed;
  /** An access token was renewed. */
  "refresh.done": RefreshDone;
  /** A request waits for a refresh that is under way. */
  "refresh.joined": RefreshJoined;
  /** One could not be renewed. */
  "refresh.failed": RefreshFailed;
  /** A refresh waited for another process. */
  "lock.waited": LockWaited;
  /** A person has logged out, or sessions of theirs were ended otherwise. */
  logout: LoggedOut;
  /** The guard turned somebody away whose session holds a login that does not count. */
  "session.refused": SessionRefused;
  /** A failure was answered or logged; those of logins and refreshes too. */
  failed: Failed;
}

/** The channels, without `express-portal-auth:`. */
export type PortalAuthEventName = keyof PortalAuthEvents;
