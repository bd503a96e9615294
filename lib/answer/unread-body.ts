import type { Request, Response } from "express";

/** What is left of a body nobody will read: no other request can follow it on this connection. */
export function closeConnectionIfBodyUnread(req: Request, res: Response): void {
  if (hasUnreadBody(req)) res.setHeader("Connection", "close");
}

/** A request without a body is not complete either while it is being answered. */
function hasUnreadBody({ complete, headers }: Request): boolean {
  return (
    !complete && (headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) > 0)
  );
}
