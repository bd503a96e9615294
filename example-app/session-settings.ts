import { readFileSync } from "node:fs";
import type { PortalAuthOptions } from "express-portal-auth";

/** What the app's own session shares with portalAuth(), found where portalAuth() finds it and has checked it. */
export function sessionSettings(options: PortalAuthOptions): { https: boolean; secrets: string[] } {
  const redirectUri = options.redirectUri ?? process.env["PORTAL_REDIRECT_URI"] ?? "";
  const secret = options.secret ?? secretFromEnvironment();
  return {
    https: redirectUri.trim().startsWith("https:"),
    secrets: typeof secret === "string" ? secret.split(",").map((one) => one.trim()) : [...secret],
  };
}

function secretFromEnvironment(): string {
  const { SESSION_SECRET = "", SESSION_SECRET_FILE: path } = process.env;
  return path ? readFileSync(path, "utf8").trimEnd() : SESSION_SECRET;
}
