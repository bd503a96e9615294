import { expect, onTestFinished } from "vitest";
import { Browser } from "../support/browser.js";
import type { Project } from "./project.js";

/** The ways to load the package, and a program for each. */
export const KINDS = [
  ["an ES module", "app.mjs"],
  ["CommonJS, by require() without a flag", "app.cjs"],
] as const;

/** A portal that is down: nothing listens on port 1. */
const QUICK_START = {
  PORTAL_ISSUER: "http://127.0.0.1:1",
  PORTAL_CLIENT_ID: "demo-app",
  PORTAL_CLIENT_SECRET: "not-a-secret",
  PORTAL_REDIRECT_URI: "http://127.0.0.1:3000/callback",
  SESSION_SECRET: "0123456789abcdef0123456789abcdef",
};

/** What a newcomer has before any portal: a guard that answers, and nothing in the log but lines of ours. */
export async function expectQuickStart(project: Project, program: string): Promise<void> {
  const app = await project.start(program, QUICK_START);
  onTestFinished(async () => void (await app.stop()));
  const browser = new Browser();

  const refused = await browser.fetch(`${app.url}/account`);
  expect(refused.status).toBe(401);
  expect(refused.headers["content-type"]).toBe("application/problem+json");
  expect(JSON.parse(refused.body)).toMatchObject({ status: 401, code: "login_required", login: "/login" });

  const { status, body } = await browser.request(`${app.url}/login`, { method: "HEAD" });
  expect({ status, body }).toEqual({ status: 204, body: "" });

  const down = await browser.navigate(`${app.url}/account`);
  expect(down.status).toBe(503);
  expect(down.headers["content-type"]).toMatch(/^text\/html/);
  expect(down.body).toContain("portal_unreachable");

  const who = await browser.fetch(`${app.url}/who`);
  expect(JSON.parse(who.body)).toEqual({ isAuthenticated: false });

  const lines = await app.stop();
  expect(lines.join("\n")).toContain("portal_unreachable");
  expect(lines.filter((line) => !line.startsWith("[express-portal-auth] "))).toEqual([]);
}
