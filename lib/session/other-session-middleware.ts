import type { Request, Response } from "express";

/** Names by which session middleware can be recognized in an app's list of middleware. */
const SESSION_MIDDLEWARE: Readonly<Record<string, "cookie-session" | "express-session">> = {
  _cookieSession: "cookie-session",
  session: "express-session",
};

const OUR_MIDDLEWARE: readonly string[] = ["portalAuthRouter", "chosenPortalAuth"];

interface AppWithStack {
  readonly stack?: readonly { readonly handle?: { readonly name?: string } }[];
}

/**
 * The session middleware that an app mounts behind portalAuth(), as far as its own list of middleware shows
 * it.
 */
export function findSessionMiddlewareAfterOurs(
  req: Request,
): readonly ("cookie-session" | "express-session")[] {
  const app = req.app as unknown as { readonly _router?: AppWithStack; readonly router?: AppWithStack };
  const { stack = [] } = app._router ?? app.router ?? {}; // Express 4 throws at `router`, and has `_router`
  const names = stack.map(({ handle }) => handle?.name ?? "");
  const ours = names.findIndex((name) => OUR_MIDDLEWARE.includes(name));
  return ours < 0 ? [] : names.slice(ours + 1).flatMap((name) => SESSION_MIDDLEWARE[name] ?? []);
}

/** Whether a session is express-session's, and no object of another package in its place. */
export const isExpressSession = (session: unknown): boolean =>
  typeof (session as { regenerate?: unknown } | undefined)?.regenerate === "function";

/**
 * Keeps an answer from hanging if other middleware has replaced `req.session`: express-session calls methods
 * of it when the answer ends, which cookie-session's object does not have.
 *
 * @param onReplaced is called once the answer ends, if `req.session` is another package's by then
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
    return (end as (...given: unknown[]) => Response).apply(this, args);
  } as Response["end"];
}

/** Lets an app that has no session of its own on this request use ours at `req.session`. */
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
