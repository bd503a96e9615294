import { expect, test } from "vitest";
import { logIn, TOKEN_SECONDS } from "../access/signed-in-request.js";

// access/refresh-login.test.ts tests the outcome of a refresh. This file tests the request to the provider.

test("the request is a form with only the refresh token, client_id and client_secret", async () => {
  const { ask, later, tokens, asked } = await logIn();
  const { refresh_token } = await tokens();
  later(TOKEN_SECONDS);
  await ask();
  const request = asked("/oauth2/token").at(-1);
  expect([request?.method, request?.headers.authorization]).toEqual(["POST", undefined]);
  expect(request?.headers["content-type"]).toMatch(/^application\/x-www-form-urlencoded/);
  expect(Object.fromEntries(new URLSearchParams(request?.body))).toEqual({
    grant_type: "refresh_token",
    refresh_token,
    client_id: "demo-app",
    client_secret: "the-client-secret-of-the-demo-app",
  });
});

test("the request with client_secret_basic has the secret in the header", async () => {
  const { ask, later, asked } = await logIn({ options: { clientAuth: "client_secret_basic" } });
  later(TOKEN_SECONDS);
  expect((await ask()).status).toBe(200);
  const request = asked("/oauth2/token").at(-1);
  const credentials = atob(request?.headers.authorization?.replace("Basic ", "") ?? "");
  expect(decodeURIComponent(credentials)).toBe("demo-app:the-client-secret-of-the-demo-app");
  expect(request?.body).not.toContain("client_secret");
});

test("the request is sent once, even after a 421, because the refresh token may be used", async () => {
  const { ask, later, provider, refreshes } = await logIn({ log: [/portal_answer_invalid/] });
  provider.answerNext("/oauth2/token", (_req, res) => res.writeHead(421).end());
  later(TOKEN_SECONDS);
  expect((await ask()).status).toBe(503);
  expect(refreshes()).toHaveLength(1);
});
