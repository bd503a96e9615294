import type { Request, Response } from "express";

/**
 * Closes the connection after the response if the request body is unread, because no other request can follow
 * it.
 */
export function closeConnectionIfBodyUnread(req: Request, res: Response): void {
  if (hasUnreadBody(req)) res.setHeader("Connection", "close");
}

/** `complete` alone is not enough: it is also false for a request without a body that is being answered. */
function hasUnreadBody({ complete, headers }: Request): boolean {
  return (
    !complete && (headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) > 0)
  );
}
