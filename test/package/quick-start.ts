import { expect, onTestFinished } from "vitest";
import { Browser } from "../support/browser.js";
import type { Project } from "./project.js";

/** The ways to load the package, and a program for each. */
export const KINDS = [
  ["an ES module", "app.mjs"],
  ["CommonJS, with require() and no flag", "app.cjs"],
] as const;

/** The provider is unreachable: no server listens on port 1. */
const QUICK_START = {
  PORTAL_ISSUER: "http://127.0.0.1:1",
  PORTAL_CLIENT_ID: "demo-app",
  PORTAL_CLIENT_SECRET: "not-a-secret",
  PORTAL_REDIRECT_URI: "http://127.0.0.1:3000/callback",
  SESSION_SECRET: "0123456789abcdef0123456789abcdef",
};

/**
 * Checks the quick start without a provider: the guard responds, and the log contains only lines of the
 * package.
 */
export async function expectQuickStart(project: Project, program: string): Promise<void> {
  const app = await project.start(program, QUICK_START);
  onTestFinished(async () => {
    await app.stop();
  });
  const browser = new Browser();

  const rejected = await browser.fetch(`${app.url}/account`);
  expect(rejected.status).toBe(401);
  expect(rejected.headers["content-type"]).toBe("application/problem+json");
  expect(JSON.parse(rejected.body)).toMatchObject({ status: 401, code: "login_required", login: "/login" });

  const { status, body } = await browser.request(`${app.url}/login`, { method: "HEAD" });
  expect({ status, body }).toEqual({ status: 204, body: "" });

  const unreachable = await browser.navigate(`${app.url}/account`);
  expect(unreachable.status).toBe(503);
  expect(unreachable.headers["content-type"]).toMatch(/^text\/html/);
  expect(unreachable.body).toContain("portal_unreachable");

  const user = await browser.fetch(`${app.url}/who`);
  expect(JSON.parse(user.body)).toEqual({ isAuthenticated: false });

  const lines = await app.stop();
  expect(lines.join("\n")).toContain("portal_unreachable");
  expect(lines.filter((line) => !line.startsWith("[express-portal-auth] "))).toEqual([]);
}
