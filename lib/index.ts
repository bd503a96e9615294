// The router and the guard

export type { Problem } from "./answer/problem.js";
// Failures
export { PortalAuthError, type PortalAuthErrorCode, type PortalAuthErrorOptions } from "./errors.js";
export { type RequireAuthOptions, requireAuth } from "./guard/require-auth.js";
export type { ErrorContext, Hooks, LoginContext, LogoutContext, TokensContext } from "./hooks.js";
export type { LoginOptions } from "./login/login.js";
// Options and hooks
export type { AuthorizationParams, PortalAuthOptions } from "./options.js";
export { portalAuth } from "./portal-auth.js";
// The person of a request
export type { RequestPortal } from "./request-portal.js";
export type { PortalSession } from "./session/session.js";
export type { Claims, TokenSet } from "./tokens.js";
