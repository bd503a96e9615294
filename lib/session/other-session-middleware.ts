import type { Request, Response } from "express";

/** The function names of known session middleware. */
const SESSION_MIDDLEWARE: Readonly<Record<string, "cookie-session" | "express-session">> = {
  _cookieSession: "cookie-session",
  session: "express-session",
};

/** The function names of this package's own middleware. */
const OUR_MIDDLEWARE: readonly string[] = ["portalAuthRouter", "chosenPortalAuth"];

interface AppWithStack {
  readonly stack?: readonly { readonly handle?: { readonly name?: string } }[];
}

/**
 * Returns the session middleware that the app mounts after portalAuth(), in their order. It finds only
 * middleware that is mounted directly on the app, by its function name.
 */
export function findSessionMiddlewareAfterOurs(
  req: Request,
): readonly ("cookie-session" | "express-session")[] {
  const app = req.app as unknown as { readonly _router?: AppWithStack; readonly router?: AppWithStack };
  // Express 4 has `_router`, and throws if `router` is read.
  const { stack = [] } = app._router ?? app.router ?? {};
  const names = stack.map(({ handle }) => handle?.name ?? "");
  const ourIndex = names.findIndex((name) => OUR_MIDDLEWARE.includes(name));
  return ourIndex < 0 ? [] : names.slice(ourIndex + 1).flatMap((name) => SESSION_MIDDLEWARE[name] ?? []);
}

/** Returns whether a value is a session of express-session, and not of another session package. */
export const isExpressSession = (session: unknown): boolean =>
  typeof (session as { regenerate?: unknown } | undefined)?.regenerate === "function";

/**
 * Restores our `req.session` when the response ends, if it is then the session of another package. Otherwise
 * the response would never end: express-session calls methods that a session of cookie-session does not have.
 * A missing session, or one of express-session, is not replaced.
 *
 * @param onReplaced called when the session was restored
 */
export function restoreSessionAtEnd(req: Request, res: Response, onReplaced: () => void): void {
  const { session } = req;
  const { end } = res;
  res.end = function endWithOurs(this: Response, ...args: unknown[]) {
    if (req.session && !isExpressSession(req.session)) {
      Object.defineProperty(req, "session", {
        value: session,
        writable: true,
        configurable: true,
        enumerable: true,
      });
      onReplaced();
    }
    return (end as (...args: unknown[]) => Response).apply(this, args);
  } as Response["end"];
}

/**
 * Makes our session available at `req.session`, although it belongs to another holder. A value that is
 * assigned there goes to the holder. This is for requests that have no session of the application's.
 */
export function exposeSession(req: Request, holder: Request): void {
  Object.defineProperty(req, "session", {
    configurable: true,
    enumerable: true,
    get: () => holder.session,
    set: (value) => {
      holder.session = value;
    },
  });
}
