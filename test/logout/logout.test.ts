import type { ServerResponse } from "node:http";
import { describe, expect, test, vi } from "vitest";
import { Browser } from "../support/browser.js";
import { advanceDate, fakeTimeouts } from "../support/fake-time.js";
import { startWorld, type World } from "../support/world.js";

async function signedIn(...options: Parameters<typeof startWorld>): Promise<World> {
  const world = await startWorld(...options);
  await world.browser.visit(`${world.url}/account`);
  return world;
}

describe("logging out", () => {
  test("revokes the refresh token, ends the session, and redirects to the provider's logout", async () => {
    const { browser, url, me, asked, provider } = await signedIn();
    const { tokens } = await me();
    const cookie = [...(await browser.cookies(url))].map(([name, value]) => `${name}=${value}`).join("; ");
    const response = await browser.navigate(`${url}/logout`, { site: "same-origin" });
    expect(response.status).toBe(303);
    const to = new URL(response.headers.location ?? "");
    expect([to.origin, to.pathname]).toEqual([provider.issuer, "/logout"]);
    expect(Object.fromEntries(to.searchParams)).toEqual({
      client_id: "demo-app",
      logout_redirect_uri: `${url}/`,
      state: expect.stringMatching(/^[\w-]{43}$/),
    });
    const revoked = Object.fromEntries(new URLSearchParams(asked("/oauth2/revoke")[0]?.body));
    expect(revoked).toEqual({
      client_id: "demo-app",
      client_secret: "the-client-secret-of-the-demo-app",
      token: tokens?.refresh_token,
    });
    const thief = new Browser();
    expect((await thief.fetch(`${url}/account`, { headers: { cookie } })).status).toBe(401);
  });

  test("ends the provider's session too, so that another user can sign in", async () => {
    const { browser, url } = await signedIn();
    expect((await browser.visit(`${url}/logout`, { site: "same-origin" })).body).toBe("home");
    browser.user = { sub: "jonas-weber" };
    expect(JSON.parse((await browser.visit(`${url}/account`)).body).sub).toBe("jonas-weber");
  });

  test.each(["openid", "tencent-ciam"] as const)(
    "uses the parameters of RP-Initiated Logout if discovery has end_session_endpoint (profile %s)",
    async (profile) => {
      const { browser, url, me, provider } = await signedIn({
        provider: { document: "full" },
        options: { profile },
      });
      const { tokens } = await me();
      const { headers } = await browser.navigate(`${url}/logout`, { site: "same-origin" });
      const to = new URL(headers.location ?? "");
      expect(to.href).toContain(`${provider.issuer}/logout?`);
      expect(Object.fromEntries(to.searchParams)).toEqual({
        client_id: "demo-app",
        id_token_hint: tokens?.id_token,
        post_logout_redirect_uri: `${url}/`,
        state: expect.stringMatching(/^[\w-]{43}$/),
      });
      expect((await browser.visit(to)).body).toBe("home");
    },
  );

  test("redirects to postLogoutRedirectUri", async () => {
    const { browser, url } = await signedIn({
      options: { postLogoutRedirectUri: "https://www.example/bye" },
    });
    const { headers } = await browser.navigate(`${url}/logout`, { site: "same-origin" });
    expect(new URL(headers.location ?? "").searchParams.get("logout_redirect_uri")).toBe(
      "https://www.example/bye",
    );
  });

  test("works without a session here, because the provider's session may still exist", async () => {
    const { browser, url, provider, asked } = await startWorld();
    const { status, headers } = await browser.navigate(`${url}/logout`, { site: "same-origin" });
    expect([status, headers.location?.startsWith(`${provider.issuer}/logout?`)]).toEqual([303, true]);
    expect(asked("/oauth2/revoke")).toEqual([]);
  });

  test("returns the URL of the provider's logout to a script", async () => {
    const { browser, url, provider, me } = await signedIn();
    const response = await browser.fetch(`${url}/logout`, { method: "POST" });
    expect(response.status).toBe(200);
    expect(JSON.parse(response.body).logout_url).toMatch(new RegExp(`^${provider.issuer}/logout\\?`));
    expect((await me()).isAuthenticated).toBe(false);
  });

  test("can be started by a route of the application", async () => {
    const { browser, url, me, provider } = await signedIn({
      after: (app) => app.post("/bye", (req) => req.portal.logout()),
    });
    const response = await browser.navigate(`${url}/bye`, { method: "POST", site: "same-origin" });
    expect([response.status, response.headers["refresh"]]).toEqual([
      200,
      expect.stringContaining(`url=${provider.issuer}/logout?`),
    ]);
    expect((await me()).isAuthenticated).toBe(false);
  });
});

describe("the logout also ends the session here if the provider", () => {
  test("is down", async () => {
    const { browser, url, provider, me, log } = await signedIn({ log: [/revocation_failed/] });
    provider.goDown();
    const response = await browser.navigate(`${url}/logout`, { site: "same-origin" });
    expect(response.status).toBe(303);
    expect((await me()).isAuthenticated).toBe(false);
    expect(log.join()).toContain("portal_unreachable");
  });

  test("is down before discovery, and the user stays on this site", async () => {
    const { browser, url, provider } = await startWorld({ log: [/portal_unreachable/] });
    provider.goDown();
    const { headers } = await browser.navigate(`${url}/logout`, { site: "same-origin" });
    expect(headers.location).toBe(`${url}/`);
  });

  test.each([
    ["invalid_client", 401, '{"error":"invalid_client"}'],
    ["a server error", 500, ""],
  ])("responds with %s to the revocation", async (_name, status, body) => {
    const { browser, url, provider, me, log } = await signedIn({ log: [/revocation_failed/] });
    provider.answerNext("/oauth2/revoke", (_req, res) =>
      res.writeHead(status, { "content-type": "application/json" }).end(body),
    );
    expect((await browser.navigate(`${url}/logout`, { site: "same-origin" })).status).toBe(303);
    expect((await me()).isAuthenticated).toBe(false);
    expect(log.join()).toContain("revocation answered");
  });

  test("does not respond, at the latest after five seconds", async () => {
    const { browser, url, provider, me } = await signedIn();
    const revocation = new Promise<ServerResponse>((resolve) =>
      provider.answerNext("/oauth2/revoke", (_req, res) => resolve(res)),
    );
    fakeTimeouts();
    const response = browser.navigate(`${url}/logout`, { site: "same-origin" });
    const pendingRevocation = await revocation;
    const cookie = [...(await browser.cookies(url))].map(([name, value]) => `${name}=${value}`).join("; ");
    expect((await new Browser().fetch(`${url}/account`, { headers: { cookie } })).status).toBe(401);
    await vi.advanceTimersByTimeAsync(5000);
    expect((await response).status).toBe(303);
    vi.useRealTimers();
    expect((await me()).isAuthenticated).toBe(false);
    pendingRevocation.end(); // the revocation ends later, in the background
  });
});

describe("another site cannot sign a user out:", () => {
  test.each(["cross-site", "same-site", "none"] as const)(
    "a link with Sec-Fetch-Site: %s must be confirmed",
    async (site) => {
      const { browser, url, me, asked } = await signedIn();
      const page = await browser.navigate(`${url}/logout`, { site });
      expect([page.status, page.body.includes("Sign out?")]).toEqual([200, true]);
      expect((await me()).isAuthenticated).toBe(true);
      expect(asked("/oauth2/revoke")).toEqual([]);
    },
  );

  test("a form on another site must be confirmed", async () => {
    const { browser, url, me } = await signedIn();
    await browser.navigate(`${url}/logout`, { site: "cross-site", method: "POST", form: {} });
    expect((await me()).isAuthenticated).toBe(true);
  });

  test("an image or a script on another site gets logout_unconfirmed", async () => {
    const { browser, url, me } = await signedIn({ log: [/logout_unconfirmed/] });
    const response = await browser.fetch(`${url}/logout`, { site: "cross-site" });
    expect([response.status, JSON.parse(response.body).code]).toEqual([403, "logout_unconfirmed"]);
    expect((await me()).isAuthenticated).toBe(true);
  });

  test("an image in content of users on this site gets 403", async () => {
    const { browser, url, me } = await signedIn({ log: [/logout_unconfirmed/] });
    const headers = {
      "sec-fetch-site": "same-origin",
      "sec-fetch-mode": "no-cors",
      "sec-fetch-dest": "image",
    };
    expect((await browser.request(`${url}/logout`, { headers })).status).toBe(403);
    expect((await me()).isAuthenticated).toBe(true);
  });

  test.each(["object", "embed", "iframe", "frame"])(
    "a navigation of <%s> on this site must be confirmed",
    async (dest) => {
      const { browser, url, me } = await signedIn();
      const headers = { "sec-fetch-dest": dest };
      const page = await browser.navigate(`${url}/logout`, { site: "same-origin", headers });
      expect([page.status, page.body.includes("Sign out?")]).toEqual([200, true]);
      expect((await me()).isAuthenticated).toBe(true);
    },
  );

  test("a click without Sec-Fetch-Dest signs the user out", async () => {
    const { browser, url, me } = await signedIn();
    const metadata = {
      "sec-fetch-site": "same-origin",
      "sec-fetch-mode": "navigate",
      "sec-fetch-user": "?1",
    };
    const headers = { accept: "text/html", ...metadata };
    expect((await browser.request(`${url}/logout`, { headers })).status).toBe(303);
    expect((await me()).isAuthenticated).toBe(false);
  });

  test("the button of the confirmation page signs the user out", async () => {
    const { browser, url, me } = await signedIn();
    const page = await browser.navigate(`${url}/logout`, { site: "cross-site" });
    expect(page.body).toContain('<form method="post" action="/logout">');
    await browser.navigate(`${url}/logout`, {
      site: "same-origin",
      method: "POST",
      form: fieldsOf(page.body),
    });
    expect((await me()).isAuthenticated).toBe(false);
  });

  describe("in a browser without Fetch Metadata,", () => {
    const old = { old: true } as const;

    test("a link must be confirmed, and the page's button works by its hidden field", async () => {
      const { browser, url, me } = await signedIn();
      const page = await browser.navigate(`${url}/logout`, old);
      expect([page.status, (await me()).isAuthenticated]).toEqual([200, true]);
      await browser.navigate(`${url}/logout`, {
        ...old,
        method: "POST",
        headers: { origin: "null" },
        form: fieldsOf(page.body),
      });
      expect((await me()).isAuthenticated).toBe(false);
    });

    test("a form of the application works by its Origin", async () => {
      const { browser, url, me } = await signedIn();
      await browser.navigate(`${url}/logout`, { ...old, method: "POST", headers: { origin: url }, form: {} });
      expect((await me()).isAuthenticated).toBe(false);
    });

    test.each<[string, (url: string, page: string) => Promise<Record<string, string>>]>([
      ["nothing", async () => ({})],
      ["an invalid confirmation", async () => ({ confirmation: "a.b.c.d.e" })],
      [
        "the confirmation of another user",
        async (url) => {
          const other = new Browser();
          await other.visit(`${url}/account`);
          return fieldsOf((await other.navigate(`${url}/logout`, old)).body);
        },
      ],
      [
        "the confirmation of a visitor",
        async (url) => fieldsOf((await new Browser().navigate(`${url}/logout`, old)).body),
      ],
    ])("a form that posts %s does not sign the user out", async (_name, createForm) => {
      const { browser, url, me } = await signedIn();
      const page = await browser.navigate(`${url}/logout`, old);
      const form = await createForm(url, page.body);
      await browser.navigate(`${url}/logout`, {
        ...old,
        method: "POST",
        headers: { origin: "https://evil.example" },
        form,
      });
      expect((await me()).isAuthenticated).toBe(true);
    });

    test("the confirmation expires after ten minutes", async () => {
      const { browser, url, me } = await signedIn();
      const page = await browser.navigate(`${url}/logout`, old);
      advanceDate(10 * 60 * 1000 + 1);
      await browser.navigate(`${url}/logout`, { ...old, method: "POST", form: fieldsOf(page.body) });
      expect((await me()).isAuthenticated).toBe(true);
    });
  });
});

test("a prefetch and a HEAD request do not sign the user out", async () => {
  const { browser, url, me } = await signedIn();
  for (const headers of [
    { "sec-purpose": "prefetch" },
    { purpose: "prefetch" },
    { "x-moz": "prefetch" },
  ] as const)
    expect(
      (await browser.navigate(`${url}/logout`, { site: "same-origin", headers: { ...headers } })).status,
    ).toBe(503);
  expect((await browser.navigate(`${url}/logout`, { site: "same-origin", method: "HEAD" })).status).toBe(204);
  expect((await me()).isAuthenticated).toBe(true);
});

function fieldsOf(html: string): Record<string, string> {
  const fields = [...html.matchAll(/<input type="hidden" name="([^"]+)" value="([^"]+)">/g)];
  return Object.fromEntries(fields.map(([, name = "", value = ""]) => [name, value]));
}
