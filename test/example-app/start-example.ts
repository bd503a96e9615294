import { createServer } from "node:http";
import { expect, onTestFinished } from "vitest";
import { createApp } from "../../example-app/app.js";
import type { PortalAuthOptions } from "../../lib/index.js";
import { type LocalProvider, startTestProvider, type TestProviderOptions } from "../../lib/testing/index.js";
import { type Answer, Browser } from "../support/browser.js";
import { type CapturedLog, captureLog } from "../support/captured-log.js";
import { advanceDate } from "../support/fake-time.js";
import { serve } from "../support/serve.js";

export const CLIENT = { clientId: "example-app", clientSecret: "the-secret-of-the-example-app" };
export const SECRET = "0123456789abcdef0123456789abcdef";
export const AMARA = "amara-okafor";

/** The example with a portal, both on free ports and closed when the test ends. Each line that it logs must be expected. */
export async function startExample(
  options: PortalAuthOptions = {},
  portalOptions: TestProviderOptions = {},
  expected: RegExp[] = [],
) {
  const capture = watchLog([/memory of this process/, ...expected]);
  const server = createServer();
  const url = await serve(server);
  const redirectUri = `${url}/callback`;
  const provider = await startTestProvider({
    ...CLIENT,
    redirectUris: [redirectUri],
    logoutRedirectUris: [`${url}/`],
    ...portalOptions,
  });
  onTestFinished(() => provider.close());
  const { app, inspectorLink, close } = createApp({
    ...provider.options,
    redirectUri,
    secret: SECRET,
    ...options,
  });
  onTestFinished(close);
  server.on("request", (req, res) => capture(() => app(req, res)));
  return {
    url,
    app,
    portal: provider,
    browser: new Browser(),
    close,
    inspectorLink: () => inspectorLink(url),
  };
}

function watchLog(expected: RegExp[]): CapturedLog["capture"] {
  const { lines, capture } = captureLog();
  onTestFinished(() => {
    expect(lines.filter((line) => !expected.some((pattern) => pattern.test(line)))).toEqual([]);
  });
  return capture;
}

/** How often a refresh token was sent to the portal. */
export const refreshesAt = ({ requests }: LocalProvider): number =>
  requests.filter(({ path, body }) => path === "/oauth2/token" && body.includes("grant_type=refresh_token"))
    .length;

/** Turns the clock of the app and of the portal, until the test ends. */
export function later(seconds: number): void {
  advanceDate(1000 * seconds);
}

// biome-ignore lint/suspicious/noExplicitAny: whatever the API answers, tests say what they expect of it
export const json = (answer: Answer): Record<string, any> => JSON.parse(answer.body);
