import type { ErrorRequestHandler, Express } from "express";
import { expect, test } from "vitest";
import { portalErrors } from "../../lib/index.js";
import { html, logIn, TOKEN_SECONDS } from "../access/signed-in-request.js";

/** Adds a page that needs a token and the error handler. Express 4 does not notice a rejected promise. */
const withPage = (app: Express) => {
  app.get("/orders", (req, res, next) => {
    req.portal.accessToken().then(() => res.send("orders"), next);
  });
  app.get("/broken", () => {
    throw new Error("of the app");
  });
  app.use(portalErrors());
  const forwardedError: ErrorRequestHandler = (error, _req, res, _next) => {
    res.status(500).send(`forwarded: ${error.message}`);
  };
  app.use(forwardedError);
};

const INVALID_GRANT = { error: "invalid_grant" };

test.each([4, 5] as const)(
  "a user who must sign in again goes to the provider and returns (Express %s)",
  async (express) => {
    const { browser, url, later, provider } = await logIn({
      express,
      after: withPage,
      log: [/refresh_refused/],
    });
    provider.answerNext("/oauth2/token", (_req, res) => {
      res.writeHead(400, { "content-type": "application/json" }).end(JSON.stringify(INVALID_GRANT));
    });
    later(TOKEN_SECONDS);
    const answer = await browser.visit(`${url}/orders?page=2`);
    expect([new URL(answer.url).pathname + new URL(answer.url).search, answer.body]).toEqual([
      "/orders?page=2",
      "orders",
    ]);
  },
);

test("a script gets the reason and the login URL", async () => {
  const { browser, url, later, provider } = await logIn({ after: withPage, log: [/refresh_refused/] });
  provider.answerNext("/oauth2/token", (_req, res) => {
    res.writeHead(400, { "content-type": "application/json" }).end(JSON.stringify(INVALID_GRANT));
  });
  later(TOKEN_SECONDS);
  const { status, headers, body } = await browser.fetch(`${url}/orders`);
  expect([status, headers["content-type"]]).toEqual([401, "application/problem+json"]);
  expect(JSON.parse(body)).toMatchObject({ code: "refresh_refused", login: "/login" });
});

test("if the provider is down, the page has 503 and Retry-After, and the session stays", async () => {
  const { browser, url, later, provider, me } = await logIn({ after: withPage, log: [/portal_failed/] });
  provider.answerNext("/oauth2/token", html(502));
  later(TOKEN_SECONDS);
  const { status, headers, body } = await browser.navigate(`${url}/orders`);
  expect([status, headers["retry-after"], headers["content-type"]]).toEqual([
    503,
    "5",
    "text/html; charset=utf-8",
  ]);
  expect(body).toContain("The sign-in service is having problems");
  expect((await me()).isAuthenticated).toBe(true);
});

test("errors of the application reach its own error handler", async () => {
  const { browser, url } = await logIn({ after: withPage });
  expect((await browser.navigate(`${url}/broken`)).body).toBe("forwarded: of the app");
});
