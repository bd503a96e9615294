import type { Request } from "express";

/**
 * Whether a request came over https, as far as can be seen: Express believes a proxy only when it is told to, and here
 * X-Forwarded-Proto counts as well. So nothing may be let in by this: it decides what to tell, and whom.
 */
export const isOverHttps = (req: Request): boolean => req.secure || forwardedProto(req) === "https";

/** Whether a proxy says that the person has come by http. */
export const isSaidToBeHttp = (req: Request): boolean => !req.secure && forwardedProto(req) === "http";

function forwardedProto({ headers }: Request): string {
  const [scheme = ""] = String(headers["x-forwarded-proto"] ?? "").split(",");
  return scheme.trim().toLowerCase();
}
