/** The members of every event. No event contains user data or secrets. */
export interface PortalAuthEvent {
  /** When the event was published, in epoch milliseconds. */
  readonly at: number;
  /** The option `name`, or "default". */
  readonly instance: string;
  /** The option `issuer`, without its trailing slash. */
  readonly issuer: string;
  /** The option `clientId`. */
  readonly client_id: string;
}

/** The steps of a callback: see LoginStep. */
export type LoginStepName = "callback" | "discovery" | "state" | "exchange" | "checks" | "hooks" | "session";

/** One step of a login. */
export interface LoginStep {
  /**
   * - callback: the parameters are read.
   * - discovery: the provider's document is loaded.
   * - state: the login attempt is found, iss and error are checked.
   * - exchange: the code is exchanged for tokens.
   * - checks: signature and claims of the ID token are verified.
   * - hooks: onTokens and onLogin run.
   * - session: the new session is saved.
   */
  readonly step: LoginStepName;
  /** Milliseconds since the callback arrived. */
  readonly from: number;
  /** How long it took, in milliseconds. */
  readonly took: number;
}

/** The browser was redirected to the provider. */
export interface LoginStarted extends PortalAuthEvent {
  /** Identifies this attempt in the events that follow. It is no secret. */
  readonly login: string;
  /** Whether this is a silent login (`prompt=none`), which the user did not start. */
  readonly silent: boolean;
}

/** A session has started. */
export interface LoginFinished extends LoginStarted {
  /** Milliseconds since the redirect to the provider. The user takes most of this time. */
  readonly since_started: number;
  /** How long the callback took, in milliseconds. */
  readonly took: number;
  /** All steps, in their order. */
  readonly steps: readonly LoginStep[];
}

/** A login failed at the callback. */
export interface LoginFailed extends PortalAuthEvent {
  /** Undefined if the attempt is unknown. */
  readonly login: string | undefined;
  /**
   * Whether this is a silent login, which the user did not start. Most of these end with
   * `interaction_needed`. False if the attempt is unknown.
   */
  readonly silent: boolean;
  /** The code of the PortalAuthError. */
  readonly code: string;
  /** The HTTP status of the response. */
  readonly status: number;
  /** Milliseconds since the redirect to the provider; undefined if the attempt is unknown. */
  readonly since_started: number | undefined;
  /** How long the callback took, in milliseconds. */
  readonly took: number;
  /** The steps up to the failure. The last one failed. */
  readonly steps: readonly LoginStep[];
}

/** An access token was refreshed. */
export interface RefreshDone extends PortalAuthEvent {
  /** Identifies this refresh in this process. */
  readonly refresh: number;
  /** Milliseconds, including the provider's response, hooks and the store. */
  readonly took: number;
  /** Whether the provider returned a new refresh token. */
  readonly rotated: boolean;
}

/** A request waits for a running refresh. */
export interface RefreshJoined extends PortalAuthEvent {
  /** The refresh that this request shares. */
  readonly refresh: number;
}

/** An access token could not be refreshed. */
export interface RefreshFailed extends PortalAuthEvent {
  /** Identifies this refresh in this process. */
  readonly refresh: number;
  /** The code of the PortalAuthError. */
  readonly code: string;
  /** The HTTP status of the failure. */
  readonly status: number;
  /** How long it took, in milliseconds. */
  readonly took: number;
  /** Whether the session ended, so that the user must sign in again. */
  readonly ends_session: boolean;
}

/** A refresh waited for another process. */
export interface LockWaited extends PortalAuthEvent {
  /** The refresh that waited. */
  readonly refresh: number;
  /** How long it waited, in milliseconds. */
  readonly waited: number;
  /** Whether the other process has refreshed the token. If not, this process refreshes now. */
  readonly refreshed: boolean;
}

/**
 * Why a session ended.
 *
 * - logout: the user signed out of it.
 * - everywhere: the user signed out of all sessions, in another session.
 * - session_ended: the user ended this one in another session.
 * - backchannel, frontchannel: the provider requested it.
 */
export type LogoutReason = "logout" | "everywhere" | "session_ended" | "backchannel" | "frontchannel";

/** A user signed out, or sessions of a user were ended in another way. */
export interface LoggedOut extends PortalAuthEvent {
  /** Why the sessions ended. onLogout gets the same value. */
  readonly reason: LogoutReason;
  /** How many sessions were ended. */
  readonly sessions: number;
  /** Whether there was a login to end. */
  readonly had_login: boolean;
  /** Whether the user was redirected to the provider's logout. */
  readonly at_provider: boolean;
}

/** The guard rejected a request, because the login in its session does not count. */
export interface SessionRejected extends PortalAuthEvent {
  /** Why the login does not count. */
  readonly reason: "too_old" | "of_another_portal_auth" | "unconfirmed" | "not_ours" | "unreadable";
}

/**
 * A failure was answered or logged. There is one event for each failure, even if several requests report it.
 */
export interface Failed extends PortalAuthEvent {
  /** The code of the PortalAuthError. */
  readonly code: string;
  /** The HTTP status of the failure. */
  readonly status: number;
  /**
   * The id in the log line and on each page that reports the failure; undefined if no request can report it.
   */
  readonly request_id: string | undefined;
  /** Advice for the developer. */
  readonly hint: string;
  /** The exact finding. */
  readonly detail: string | undefined;
}

/**
 * The events by their names. The channel in node:diagnostics_channel is `express-portal-auth:` and the name.
 */
export interface PortalAuthEvents {
  /** The browser was redirected to the provider. */
  "login.started": LoginStarted;
  /** A session has started. */
  "login.finished": LoginFinished;
  /** A login failed at the callback, also if the user cancelled it (`login_denied`). */
  "login.failed": LoginFailed;
  /** An access token was refreshed. */
  "refresh.done": RefreshDone;
  /** A request waits for a running refresh. */
  "refresh.joined": RefreshJoined;
  /** An access token could not be refreshed. */
  "refresh.failed": RefreshFailed;
  /** A refresh waited for another process. */
  "lock.waited": LockWaited;
  /** A user signed out, or sessions of a user were ended in another way. */
  logout: LoggedOut;
  /** The guard rejected a request, because the login in its session does not count. */
  "session.rejected": SessionRejected;
  /** A failure was answered or logged, also one of a login or a refresh. */
  failed: Failed;
}

/** The names of the events: the channels without `express-portal-auth:`. */
export type PortalAuthEventName = keyof PortalAuthEvents;
