import type { Request } from "express";

/**
 * Whether a request came over https, as far as can be seen: Express believes a proxy only when it is told to, and here
 * X-Forwarded-Proto counts as well. So nothing may be let in by this: it decides what to tell, and whom.
 */
export function isOverHttps(req: Request): boolean {
  const [scheme = ""] = String(req.headers["x-forwarded-proto"] ?? "").split(",");
  return req.secure || scheme.trim().toLowerCase() === "https";
}
