import type { Socket } from "node:net";
import type { NextFunction, Request, Response } from "express";
import { PortalAuthError } from "../errors/portal-auth-error.js";
import { type Log, logFailure } from "./log.js";

/**
 * Returns whether Express has prepared a request and its response. It has not if other code calls a handler:
 * an `upgrade` event, socket.io's `engine.use()`, a plain http server or an HTTP/2 server.
 */
export const isExpressRequest = (req: Request, res: Response): boolean =>
  typeof req?.accepts === "function" &&
  typeof req.baseUrl === "string" &&
  typeof res?.setHeader === "function";

/**
 * Rejects a request that Express has not prepared. Passes `request_not_express` to `next` if there is one,
 * and sends a plain response otherwise. It never throws, because event handlers do not catch errors.
 */
export function rejectNonExpressRequest(log: Log, res: Response, next: NextFunction | undefined): void {
  const error = new PortalAuthError("request_not_express");
  if (typeof next === "function") {
    next(error);
    return;
  }
  logFailure(log, error);
  if (typeof res?.setHeader === "function") sendPlainError(res, error.status);
  else (res as unknown as Socket | undefined)?.destroy?.(); // the socket of an `upgrade` event
}

function sendPlainError(res: Response, status: number): void {
  if (res.headersSent) return;
  res.statusCode = status;
  res.setHeader("Content-Type", "text/plain");
  res.end("Internal Server Error\n");
}
