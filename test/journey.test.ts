import { expect, test } from "vitest";
import { startWorld } from "./support/world.js";

test("a user opens a guarded page, signs in, returns to the page, and signs out", async () => {
  const { browser, url, me, asked } = await startWorld();

  const account = await browser.visit(`${url}/account?tab=2`);
  expect(account.status).toBe(200);
  expect(JSON.parse(account.body)).toEqual({ page: "/account?tab=2", sub: "amara-okafor" });

  const { isAuthenticated, claims, tokens } = await me();
  expect(isAuthenticated).toBe(true);
  expect(claims).toMatchObject({ sub: "amara-okafor" });
  expect(tokens).toMatchObject({ token_type: "bearer", scope: "openid" });
  expect(Object.keys(tokens ?? {}).sort()).toEqual(
    ["access_token", "expires_at", "id_token", "refresh_token", "scope", "token_type"].sort(),
  );

  const home = await browser.visit(`${url}/logout`, { site: "same-origin" });
  expect(home.body).toBe("home");
  expect(await me()).toEqual({ isAuthenticated: false });
  expect(asked("/oauth2/revoke")).toHaveLength(1);
});
