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

/**
 * Starts the example and a provider on free ports, and closes both at the end of the test. The test fails if
 * the example logs a line that does not match `expectedLog`.
 */
export async function startExample(
  options: PortalAuthOptions = {},
  providerOptions: TestProviderOptions = {},
  expectedLog: RegExp[] = [],
) {
  const capture = watchLog([/memory of this process/, ...expectedLog]);
  const server = createServer();
  const url = await serve(server);
  const redirectUri = `${url}/callback`;
  const provider = await startTestProvider({
    ...CLIENT,
    redirectUris: [redirectUri],
    logoutRedirectUris: [`${url}/`],
    ...providerOptions,
  });
  onTestFinished(() => provider.close());
  const { app, getInspectorLink, close } = createApp({
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
    provider,
    browser: new Browser(),
    close,
    getInspectorLink: () => getInspectorLink(url),
  };
}

function watchLog(expected: RegExp[]): CapturedLog["capture"] {
  const { lines, capture } = captureLog();
  onTestFinished(() => {
    expect(lines.filter((line) => !expected.some((pattern) => pattern.test(line)))).toEqual([]);
  });
  return capture;
}

/** Counts the requests with a refresh token. */
export const countRefreshes = ({ requests }: LocalProvider): number =>
  requests.filter(({ path, body }) => path === "/oauth2/token" && body.includes("grant_type=refresh_token"))
    .length;

/** Moves the clock of the app and the provider forward, until the end of the test. */
export function advanceClock(seconds: number): void {
  advanceDate(1000 * seconds);
}

// biome-ignore lint/suspicious/noExplicitAny: the tests check the members that they use
export const parseJson = (response: Answer): Record<string, any> => JSON.parse(response.body);
