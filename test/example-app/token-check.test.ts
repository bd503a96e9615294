import type { Page } from "playwright-core";
import { describe, expect, onTestFinished, test } from "vitest";
import type { TokenSet, TokensContext } from "../../lib/index.js";
import { launchChromium, noChromium } from "../support/chromium.js";
import { AMARA, advanceClock, countRefreshes, parseJson, startExample } from "./start-example.js";

const CALL_COUNT = 20;

async function startSignedIn(...settings: Parameters<typeof startExample>) {
  const example = await startExample(...settings);
  await example.browser.visit(`${example.url}/account`);
  const callTwenty = () =>
    Promise.all(
      Array.from({ length: CALL_COUNT }, () => example.browser.fetch(`${example.url}/api/token-check`)),
    );
  return { ...example, callTwenty };
}

describe("twenty calls at once", () => {
  test("cause one refresh if the token has expired, and all of them get the new token", async () => {
    const { provider, callTwenty } = await startSignedIn();
    advanceClock(400);
    const answers = (await callTwenty()).map(parseJson);
    expect(answers).toHaveLength(CALL_COUNT);
    expect(new Set(answers.map(({ token_set }) => token_set))).toEqual(new Set([2]));
    expect(new Set(answers.map(({ fingerprint }) => fingerprint)).size).toBe(1);
    expect(Math.min(...answers.map(({ token_set_before }) => token_set_before))).toBe(1);
    expect(countRefreshes(provider)).toBe(1);
  });

  test("cause no refresh if the token is valid", async () => {
    const { provider, callTwenty } = await startSignedIn();
    const answers = (await callTwenty()).map(parseJson);
    for (const answer of answers) expect(answer).toMatchObject({ token_set_before: 1, token_set: 1 });
    expect(countRefreshes(provider)).toBe(0);
  });

  test("cause a second refresh after the next expiry, with the rotated refresh token", async () => {
    const { provider, callTwenty } = await startSignedIn();
    advanceClock(400);
    const [first] = (await callTwenty()).map(parseJson);
    advanceClock(400);
    const [second] = (await callTwenty()).map(parseJson);
    expect([second?.["token_set"], countRefreshes(provider)]).toEqual([3, 2]);
    expect(second?.["fingerprint"]).not.toBe(first?.["fingerprint"]);
  });

  test("get 401 if the provider rejects the refresh", async () => {
    const { url, provider, browser, callTwenty } = await startSignedIn({}, {}, [/refresh_refused/]);
    provider.removeUser(AMARA);
    advanceClock(400);
    for (const answer of await callTwenty()) {
      expect(answer.status).toBe(401);
      expect(["refresh_refused", "login_required"]).toContain(parseJson(answer)["code"]);
      expect(parseJson(answer)).toMatchObject({ login: "/login" });
    }
    expect((await browser.navigate(`${url}/account`)).status).toBe(302);
  });

  test("get 503 while the provider is unreachable, and the session stays", async () => {
    const { provider, callTwenty } = await startSignedIn({}, {}, [/portal_unreachable/]);
    provider.goDown();
    advanceClock(400);
    for (const answer of await callTwenty()) {
      expect(answer.status).toBe(503);
      expect(answer.headers["content-type"]).toBe("application/problem+json");
    }
    await provider.comeUp();
    advanceClock(60);
    for (const answer of await callTwenty()) expect(answer.status).toBe(200);
  });
});

test("after a refresh the account page and the API show the lifetime of the new token", async () => {
  const { url, browser, callTwenty } = await startSignedIn();
  const before = await browser.navigate(`${url}/account`);
  expect(before.body).toContain('<span id="since">From your sign-in at <time class="clock"');
  advanceClock(4000); // longer than the lifetime of the ID token
  await callTwenty();
  const { body } = await browser.navigate(`${url}/account`);
  expect(body).toMatch(
    /Expires at [\d:]+ UTC<\/p>\s*<progress aria-labelledby="access_token" max="300" value="300"/,
  );
  const now = new Date(Math.floor(Date.now() / 1000) * 1000).toISOString();
  expect(body).toContain(`<span id="since">Last refreshed at <time class="clock" datetime="${now}">`);
  const { lifetimes, token_set } = parseJson(await browser.fetch(`${url}/api/me`));
  expect(lifetimes.access_token).toEqual({ seconds_left: 300, total_seconds: 300 });
  expect(token_set).toBe(2);
});

describe("the API of the provider", () => {
  test("is called with the access token, which is refreshed first if it has expired", async () => {
    const { url, provider, browser } = await startSignedIn();
    advanceClock(400);
    const answer = await browser.fetch(`${url}/api/userinfo`);
    expect(parseJson(answer)).toMatchObject({ userinfo: { sub: AMARA, name: "Amara Okafor" }, token_set: 2 });
    expect(countRefreshes(provider)).toBe(1);
  });

  test.each([
    ["an error", 500, 503, "portal_failed"],
    ["a rejection", 403, 502, "userinfo_refused"],
  ])(
    "that responds with %s gives a problem+json without a stack",
    async (_response, status, expected, code) => {
      const { url, provider, browser } = await startSignedIn({}, {}, [new RegExp(code)]);
      provider.answerNext("/userinfo", (_req, res) => {
        res.writeHead(status).end();
      });
      const answer = await browser.fetch(`${url}/api/userinfo`);
      expect(answer.status).toBe(expected);
      expect(answer.headers["content-type"]).toMatch(/^application\/problem\+json/);
      expect(parseJson(answer)).toMatchObject({ code, status: expected, title: expect.any(String) });
      expect(answer.body).not.toMatch(/\bat .+:\d+:\d+/);
      expect((await browser.navigate(`${url}/account`)).status).toBe(200);
    },
  );
});

describe.skipIf(noChromium)(`in a real browser${noChromium && ` (${noChromium})`}`, () => {
  async function openAccount(...settings: Parameters<typeof startExample>) {
    const example = await startExample(...settings);
    const chromium = await launchChromium();
    onTestFinished(() => chromium.close());
    const page = await chromium.newPage();
    const errors: string[] = [];
    page.on("console", (message) => {
      if (/security policy/i.test(message.text())) errors.push(message.text());
    });
    page.on("pageerror", ({ message }) => {
      errors.push(message);
    });
    await page.clock.install();
    await page.goto(`${example.url}/account`);
    await page.getByRole("button", { name: "Amara Okafor" }).click();
    await page.waitForURL(`${example.url}/account`);
    const expireToken = async () => {
      await page.clock.fastForward(400_000);
      await page.clock.runFor(1_000);
      advanceClock(400);
      await getAccessToken(page).getByText("Expired").waitFor();
    };
    return { ...example, page, errors, expireToken };
  }

  const getAccessToken = (page: Page) => page.locator(".token", { hasText: "Access token" });
  const getButton = (page: Page) => page.getByRole("button", { name: "Call the API twenty times at once" });
  const getResult = (page: Page) => page.locator("#tally").getByRole("status");

  test("after the expiry, one click sends twenty calls, and the page shows one refresh", async () => {
    const { url, provider, page, errors, expireToken } = await openAccount({
      hooks: { onTokens: slowRefresh },
    });
    await expireToken();

    await getButton(page).focus(); // only with the keyboard
    await page.keyboard.press("Enter");
    await getResult(page).getByText("20 requests, 1 refresh", { exact: true }).waitFor();
    const figures = Object.fromEntries(
      (await getResult(page).locator(".figures div").allInnerTexts()).map((text) => text.split("\n")),
    );
    expect(figures).toMatchObject({
      Responses: "20",
      "Access tokens in use": "1",
      "Refreshes at the provider": "1",
    });
    expect(figures["Last refresh"]).toMatch(/\d:\d\d:\d\d/);
    expect(await page.locator(".calls [data-outcome=good]").count()).toBe(20);
    expect(countRefreshes(provider)).toBe(1);
    // A browser has six connections to a server. If its cache delayed calls, they would arrive one after
    // another.
    await getResult(page).getByText("6 of them found the old token and shared the refresh").waitFor();

    await getAccessToken(page)
      .getByText(/^(5 min 0 s|4 min 5\d s) left$/)
      .waitFor();
    await getAccessToken(page).getByText("Last refreshed at").waitFor();
    expect(await page.evaluate("document.activeElement.id")).toBe("call-twenty");

    await page.keyboard.press("Enter");
    await getResult(page).getByText("20 requests, 0 refreshes", { exact: true }).waitFor();
    await getResult(page).getByText("The token was still valid. Wait until it has expired").waitFor();
    expect(countRefreshes(provider)).toBe(1);

    await expireToken(); // the result of the previous token is hidden
    expect(await page.locator("#tally").isHidden()).toBe(true);
    expect(await page.locator("#news").textContent()).toBe("Access token: expired.");
    await page.getByRole("button", { name: "Call the provider" }).click();
    await page.getByText("200 OK").waitFor();
    await getAccessToken(page)
      .getByText(/^(5 min 0 s|4 min 5\d s) left$/)
      .waitFor();
    expect(await page.locator("#news").textContent()).toBe("");
    expect(countRefreshes(provider)).toBe(2);
    expect([page.url(), errors]).toEqual([`${url}/account`, []]);
  });

  test("a rejected refresh shows a link to sign in that leads back to the page", async () => {
    const { url, provider, page, errors, expireToken } = await openAccount({}, {}, [/refresh_refused/]);
    provider.removeUser(AMARA);
    await expireToken();
    await getButton(page).click();
    await getResult(page).getByText("20 of 20 calls failed.").waitFor();
    const link = getResult(page).getByRole("link", { name: "Sign in" });
    expect(await link.getAttribute("href")).toBe(`${url}/login?returnTo=%2Faccount`);
    expect(errors).toEqual([]);
  });

  test("an unreachable provider, and then an unreachable app, are shown as errors", async () => {
    const { provider, page, errors, expireToken } = await openAccount({}, {}, [/portal_unreachable/]);
    provider.goDown();
    await expireToken();
    await getButton(page).click();
    await getResult(page).getByText("20 of 20 calls failed.").waitFor();
    await page.context().setOffline(true);
    await getButton(page).click();
    await getResult(page).getByText("The server did not respond.").waitFor();
    expect(errors).toEqual([]);
  });
});

/** Delays the refresh until all calls of the browser have arrived. */
async function slowRefresh(_tokens: TokenSet, { grant }: TokensContext): Promise<void> {
  if (grant === "refresh_token") await new Promise((resolve) => setTimeout(resolve, 500));
}
