import type { Page } from "playwright-core";
import { describe, expect, onTestFinished, test } from "vitest";
import type { TokenSet, TokensContext } from "../../lib/index.js";
import { launchChromium, noChromium } from "../support/chromium.js";
import { AMARA, json, later, refreshesAt, startExample } from "./start-example.js";

const TWENTY = 20;

async function startSignedIn(...settings: Parameters<typeof startExample>) {
  const example = await startExample(...settings);
  await example.browser.visit(`${example.url}/account`);
  const callTwenty = () =>
    Promise.all(
      Array.from({ length: TWENTY }, () => example.browser.fetch(`${example.url}/api/token-check`)),
    );
  return { ...example, callTwenty };
}

describe("twenty calls at once", () => {
  test("with a token that has run out make one refresh, and all of them get the new token", async () => {
    const { portal: provider, callTwenty } = await startSignedIn();
    later(400);
    const answers = (await callTwenty()).map(json);
    expect(answers).toHaveLength(TWENTY);
    expect(new Set(answers.map(({ token_set }) => token_set))).toEqual(new Set([2]));
    expect(new Set(answers.map(({ fingerprint }) => fingerprint)).size).toBe(1);
    expect(Math.min(...answers.map(({ found_set }) => found_set))).toBe(1);
    expect(refreshesAt(provider)).toBe(1);
  });

  test("with a token that is still good refresh nothing", async () => {
    const { portal: provider, callTwenty } = await startSignedIn();
    const answers = (await callTwenty()).map(json);
    for (const answer of answers) expect(answer).toMatchObject({ found_set: 1, token_set: 1 });
    expect(refreshesAt(provider)).toBe(0);
  });

  test("twice refresh twice: a rotated refresh token is the one that is sent next", async () => {
    const { portal: provider, callTwenty } = await startSignedIn();
    later(400);
    const [first] = (await callTwenty()).map(json);
    later(400);
    const [second] = (await callTwenty()).map(json);
    expect([second?.["token_set"], refreshesAt(provider)]).toEqual([3, 2]);
    expect(second?.["fingerprint"]).not.toBe(first?.["fingerprint"]);
  });

  test("are told to sign in when the portal refreshes no more, and no stack", async () => {
    const { url, portal: provider, browser, callTwenty } = await startSignedIn({}, {}, [/refresh_refused/]);
    provider.removeUser(AMARA);
    later(400);
    for (const answer of await callTwenty()) {
      expect(answer.status).toBe(401);
      expect(["refresh_refused", "login_required"]).toContain(json(answer)["code"]);
      expect(json(answer)).toMatchObject({ login: "/login" });
    }
    expect((await browser.navigate(`${url}/account`)).status).toBe(302);
  });

  test("are told to try again while the portal is down, and nobody is signed out", async () => {
    const { portal: provider, callTwenty } = await startSignedIn({}, {}, [/portal_unreachable/]);
    provider.goDown();
    later(400);
    for (const answer of await callTwenty()) {
      expect(answer.status).toBe(503);
      expect(answer.headers["content-type"]).toBe("application/problem+json");
    }
    await provider.comeUp();
    later(60);
    for (const answer of await callTwenty()) expect(answer.status).toBe(200);
  });
});

test("after a refresh the account page and the API tell the life of the new token", async () => {
  const { url, browser, callTwenty } = await startSignedIn();
  const before = await browser.navigate(`${url}/account`);
  expect(before.body).toContain('<span id="since">Came with your sign-in at <time class="clock"');
  later(4000); // longer than the ID token lives, which is no longer told by iat and exp
  await callTwenty();
  const { body } = await browser.navigate(`${url}/account`);
  expect(body).toMatch(
    /Ends at [\d:]+ UTC<\/p>\s*<progress aria-labelledby="access_token" max="300" value="300"/,
  );
  const now = new Date(Math.floor(Date.now() / 1000) * 1000).toISOString();
  expect(body).toContain(`<span id="since">Last refreshed at <time class="clock" datetime="${now}">`);
  const { lives, token_set } = json(await browser.fetch(`${url}/api/me`));
  expect(lives.access_token).toEqual({ seconds_left: 300, seconds_in_all: 300 });
  expect(token_set).toBe(2);
});

describe("the portal's own API", () => {
  test("is asked with the access token, which is refreshed first when it has run out", async () => {
    const { url, portal: provider, browser } = await startSignedIn();
    later(400);
    const answer = await browser.fetch(`${url}/api/userinfo`);
    expect(json(answer)).toMatchObject({ userinfo: { sub: AMARA, name: "Amara Okafor" }, token_set: 2 });
    expect(refreshesAt(provider)).toBe(1);
  });

  test.each([
    ["an error of its own", 500, 503, "portal_failed"],
    ["a refusal", 403, 502, "userinfo_refused"],
  ])(
    "that answers with %s is told as problem+json, without a stack",
    async (_what, status, expected, code) => {
      const { url, portal: provider, browser } = await startSignedIn({}, {}, [new RegExp(code)]);
      provider.answerNext("/userinfo", (_req, res) => void res.writeHead(status).end());
      const answer = await browser.fetch(`${url}/api/userinfo`);
      expect(answer.status).toBe(expected);
      expect(answer.headers["content-type"]).toMatch(/^application\/problem\+json/);
      expect(json(answer)).toMatchObject({ code, status: expected, title: expect.any(String) });
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
    const troubles: string[] = [];
    page.on(
      "console",
      (message) => void (/security policy/i.test(message.text()) && troubles.push(message.text())),
    );
    page.on("pageerror", ({ message }) => void troubles.push(message));
    await page.clock.install();
    await page.goto(`${example.url}/account`);
    await page.getByRole("button", { name: "Amara Okafor" }).click();
    await page.waitForURL(`${example.url}/account`);
    const runOut = async () => {
      await page.clock.fastForward(400_000);
      await page.clock.runFor(1_000);
      later(400);
      await access(page).getByText("Has run out").waitFor();
    };
    return { ...example, page, troubles, runOut };
  }

  const access = (page: Page) => page.locator(".token", { hasText: "Access token" });
  const button = (page: Page) => page.getByRole("button", { name: "Call the API twenty times at once" });
  const result = (page: Page) => page.locator("#tally").getByRole("status");

  test("the bar runs out, one click calls twenty times, and the page shows one refresh", async () => {
    const {
      url,
      portal: provider,
      page,
      troubles,
      runOut,
    } = await openAccount({ hooks: { onTokens: slowRefresh } });
    await runOut();

    await button(page).focus(); // by keyboard alone
    await page.keyboard.press("Enter");
    await result(page).getByText("20 requests, 1 refresh", { exact: true }).waitFor();
    const figures = Object.fromEntries(
      (await result(page).locator(".figures div").allInnerTexts()).map((text) => text.split("\n")),
    );
    expect(figures).toMatchObject({
      Answers: "20",
      "Access tokens in use": "1",
      "Refreshes at the portal": "1",
    });
    expect(figures["Last refresh"]).toMatch(/\d:\d\d:\d\d/);
    expect(await page.locator(".calls [data-outcome=good]").count()).toBe(20);
    expect(refreshesAt(provider)).toBe(1);
    // a browser has six connections to a server; calls that wait for each other in its cache would come one by one
    await result(page).getByText("6 of them met the old token and shared the refresh").waitFor();

    await access(page)
      .getByText(/^(5 min 0 s|4 min 5\d s) left$/)
      .waitFor();
    await access(page).getByText("Last refreshed at").waitFor();
    expect(await page.evaluate("document.activeElement.id")).toBe("call-twenty");

    await page.keyboard.press("Enter");
    await result(page).getByText("20 requests, 0 refreshes", { exact: true }).waitFor();
    await result(page).getByText("The token was still good. Wait until its bar has run out").waitFor();
    expect(refreshesAt(provider)).toBe(1);

    await runOut(); // what was found of the last token says nothing of this one
    expect(await page.locator("#tally").isHidden()).toBe(true);
    expect(await page.locator("#news").textContent()).toBe("Access token: has run out.");
    await page.getByRole("button", { name: "Ask the portal" }).click();
    await page.getByText("200 OK").waitFor();
    await access(page)
      .getByText(/^(5 min 0 s|4 min 5\d s) left$/)
      .waitFor();
    expect(await page.locator("#news").textContent()).toBe("");
    expect(refreshesAt(provider)).toBe(2);
    expect([page.url(), troubles]).toEqual([`${url}/account`, []]);
  });

  test("who must sign in again is told so, with a link that leads back", async () => {
    const { url, portal: provider, page, troubles, runOut } = await openAccount({}, {}, [/refresh_refused/]);
    provider.removeUser(AMARA);
    await runOut();
    await button(page).click();
    await result(page).getByText("20 of 20 calls failed.").waitFor();
    const link = result(page).getByRole("link", { name: "Sign in" });
    expect(await link.getAttribute("href")).toBe(`${url}/login?returnTo=%2Faccount`);
    expect(troubles).toEqual([]);
  });

  test("a portal that is down, and then a server that is, are told in words", async () => {
    const { portal: provider, page, troubles, runOut } = await openAccount({}, {}, [/portal_unreachable/]);
    provider.goDown();
    await runOut();
    await button(page).click();
    await result(page).getByText("20 of 20 calls failed.").waitFor();
    await page.context().setOffline(true);
    await button(page).click();
    await result(page).getByText("The server did not answer.").waitFor();
    expect(troubles).toEqual([]);
  });
});

/** Long enough for all calls that a browser sends together to arrive. */
async function slowRefresh(_tokens: TokenSet, { grant }: TokensContext): Promise<void> {
  if (grant === "refresh_token") await new Promise((resolve) => setTimeout(resolve, 500));
}
