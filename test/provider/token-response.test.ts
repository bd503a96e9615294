import { describe, expect, test } from "vitest";
import { normalizeTokenResponse, withNormalizedTokenResponses } from "../../lib/provider/token-response.js";
import { DEMO_USERS } from "../../lib/testing/provider/local-provider.js";
import { json, logIn, TOKEN_SECONDS } from "../access/signed-in-request.js";
import { Browser } from "../support/browser.js";
import { startWorld } from "../support/world.js";

describe("a token response", () => {
  test.each([
    ['{"access_token":"a","refresh_token":null,"id_token":null,"x":null}', '{"access_token":"a"}'],
    ['{"access_token":"a","refresh_token":""}', '{"access_token":"a"}'],
    ['{"scope":["openid","a/b:c.d"]}', '{"scope":"openid a/b:c.d"}'],
    ['{"scope":[]}', '{"scope":""}'],
    ['{"__proto__":null,"constructor":null,"access_token":"a"}', '{"access_token":"a"}'],
    ['{"__proto__":{"refresh_token":"r"},"x":null}', '{"__proto__":{"refresh_token":"r"}}'],
  ])("%s becomes %s", (text, normalized) => {
    expect(normalizeTokenResponse(text)).toBe(normalized);
  });

  test.each([
    '{ "access_token": "a", "expires_in": 1e999 }',
    '{"scope":["openid admin"]}',
    '{"scope":["openid",1]}',
    '{"scope":[["openid"]]}',
    '{"scope":["a\\"b"]}',
    '{"scope":"","id_token":"","access_token":""}',
    '{"nested":{"refresh_token":null}}',
    "[null]",
    "null",
    '{"refresh_token":null',
    "",
  ])("%s stays unchanged", (text) => {
    expect(normalizeTokenResponse(text)).toBe(text);
  });
});

test.each(["https://ID.example/token", "https://id.example:443/token", "https://id.example/x/../token"])(
  "the response of the token endpoint %s is normalized, in each form of its URL",
  async (endpoint) => {
    const fetch = withNormalizedTokenResponses(
      async () => Response.json({ access_token: "a", scope: null }),
      endpoint,
    );
    const response = await fetch("https://id.example/token", {});
    expect(await response.json()).toEqual({ access_token: "a" });
  },
);

describe("a claim of the wrong type is rejected, and the log names the claim", () => {
  // JSON numbers above 2^53 are rounded, so two users could become one. Also, 1 could be the same user as
  // "1".
  test.each([1, 2 ** 53 + 2, 1.5, ["amara-okafor"], { sub: "amara-okafor" }, true])("sub %j", async (sub) => {
    const { browser, url, provider, log, me } = await startWorld({ log: [/id_token_invalid/] });
    provider.nextIdToken({ claims: { sub } });
    expect((await browser.visit(`${url}/account`)).status).toBe(400);
    expect(log.join()).toContain('"sub"');
    expect((await me()).isAuthenticated).toBe(false);
  });

  // maxAge depends on it, and the unit of a string is unknown: seconds, milliseconds or a date.
  test.each(["1700000000", "2024-01-01T00:00:00Z", [1_700_000_000]])("auth_time %j", async (auth_time) => {
    const { browser, url, provider, log } = await startWorld({ log: [/id_token_invalid/] });
    provider.nextIdToken({ claims: { auth_time } });
    expect((await browser.visit(`${url}/account`)).status).toBe(400);
    expect(log.join()).toContain("auth_time");
  });
});

test('the number 7 is never accepted as the user "7"', async () => {
  const { browser, url, ask, later, me, provider, inRequest, log } = await logIn({
    provider: { document: "full", users: [...DEMO_USERS, { sub: "7", name: "Seven" }] },
    options: { profile: "openid", backchannelLogout: true },
    log: [/id_token_invalid|logout_token_invalid/],
  });
  const browserOfSeven = new Browser();
  browserOfSeven.user = { sub: "7" };
  await browserOfSeven.visit(`${url}/account`);

  provider.answerNext("/userinfo", json(200, { sub: 7 }));
  const userInfo = inRequest((req) => req.portal.userinfo(), browserOfSeven);
  await expect(userInfo).rejects.toMatchObject({ code: "portal_answer_invalid" });

  const logout_token = provider.logoutToken({ sub: "7" }, { claims: { sub: 7 } });
  const sent = await browser.request(`${url}/backchannel-logout`, { method: "POST", form: { logout_token } });
  expect([sent.status, sent.body]).toEqual([400, expect.stringContaining("claim sub")]);

  provider.nextIdToken({ claims: { sub: 7 } });
  later(TOKEN_SECONDS);
  expect((await ask(browserOfSeven)).status).toBe(503);
  expect(log.at(-1)).toContain('"sub"');
  expect((await me(browserOfSeven)).claims?.["sub"]).toBe("7");
});
