export type { Problem } from "./answer/problem.js";
export {
  type Choice,
  type ChooseOptions,
  type ChosenPortalAuth,
  choosePortalAuth,
} from "./choose-portal-auth.js";
export type { Clock } from "./contract/clock.js";
export type {
  Failed,
  LockWaited,
  LoggedOut,
  LoginFailed,
  LoginFinished,
  LoginStarted,
  LoginStep,
  LoginStepName,
  LogoutReason,
  PortalAuthEvent,
  PortalAuthEventName,
  PortalAuthEvents,
  RefreshDone,
  RefreshFailed,
  RefreshJoined,
  SessionRejected,
} from "./contract/events.js";
export type { ErrorContext, Hooks, LoginContext, LogoutContext, TokensContext } from "./contract/hooks.js";
export type { Logger } from "./contract/logger.js";
export type { Action, Page, RenderPage } from "./contract/page-parts.js";
export type { Authentication, Claims, TokenSet } from "./contract/tokens.js";
export { type CreateStoreOptions, createStore } from "./create-store.js";
export {
  type Check,
  type CheckGroup,
  type DiagnoseOptions,
  type Diagnosis,
  diagnose,
  type Verdict,
} from "./doctor/index.js";
export type { PartialWords, Words } from "./errors/page-texts/words.js";
export {
  PortalAuthError,
  type PortalAuthErrorCode,
  type PortalAuthErrorOptions,
} from "./errors/portal-auth-error.js";
export type { KeepFormOptions } from "./form/keep-form-options.js";
export { type PortalErrorsOptions, portalErrors } from "./guard/portal-errors.js";
export {
  type AuthenticatedHandler,
  type NamedAuthenticatedHandler,
  type RequireAuthOptions,
  requireAuth,
} from "./guard/require-auth.js";
export type {
  ClaimRequirement,
  ClaimRequirements,
  ClaimValue,
  ComparableClaim,
  RequirableClaims,
} from "./guard/required-rights.js";
export type { CsrfOptions } from "./http/csrf.js";
export type { LoginOptions } from "./login/login.js";
export type { LoginStrength } from "./login-attempt/login-strength.js";
export type { SessionInfo } from "./logout/listed-sessions.js";
export type { LogoutOptions } from "./logout/logout.js";
export type { Device } from "./logout/parse-device.js";
export { type PortalAuth, portalAuth } from "./portal-auth.js";
export { portalProxy } from "./proxy/portal-proxy.js";
export type { PortalProxyOptions } from "./proxy/resolve-proxy-options.js";
export type {
  AuthenticatedPortal,
  GuardedLocals,
  NamedGuardLocals,
  NamedPortals,
  RequestPortal,
  VisitorPortal,
} from "./request-portal.js";
export type { PortalSession } from "./session/login-record.js";
export { type ExplainedOption, explain } from "./settings/explain.js";
export type { AuthorizationParams, PortalAuthOptions } from "./settings/portal-auth-options.js";
export type { NoncePolicy, ProfileName } from "./settings/profiles.js";
export type { Origin } from "./settings/resolve-options.js";
export type { PostgresPool, PostgresResult } from "./store/postgres-tables.js";
export type { RecordIndex, RecordStore, StoredRecord } from "./store/record-store.js";
export type { IoRedisClient, NodeRedisClient, RedisClient, RedisEvalOptions } from "./store/redis-client.js";
export type { PortalStore, StoreInput, StoreObject } from "./store/store-option.js";
