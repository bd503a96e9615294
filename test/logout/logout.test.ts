import type { ServerResponse } from "node:http";
import { describe, expect, test, vi } from "vitest";
import { Browser } from "../support/browser.js";
import { advanceDate, fakeTimeouts } from "../support/fake-time.js";
import { startWorld, type World } from "../support/world.js";

async function loggedIn(...given: Parameters<typeof startWorld>): Promise<World> {
  const world = await startWorld(...given);
  await world.browser.visit(`${world.url}/account`);
  return world;
}

describe("logging out", () => {
  test("revokes the refresh token, destroys the session, and goes to the portal's own logout", async () => {
    const { browser, url, me, asked, provider } = await loggedIn();
    const { tokens } = await me();
    const cookie = [...(await browser.cookies(url))].map(([name, value]) => `${name}=${value}`).join("; ");
    const answer = await browser.navigate(`${url}/logout`, { site: "same-origin" });
    expect(answer.status).toBe(303);
    const to = new URL(answer.headers.location ?? "");
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

  test("ends the portal's session too: the next login asks again", async () => {
    const { browser, url } = await loggedIn();
    expect((await browser.visit(`${url}/logout`, { site: "same-origin" })).body).toBe("home");
    browser.person = { sub: "jonas-weber" };
    expect(JSON.parse((await browser.visit(`${url}/account`)).body).sub).toBe("jonas-weber");
  });

  test.each(["openid", "tencent-ciam"] as const)(
    "uses the parameters of RP-Initiated Logout if discovery has end_session_endpoint (profile %s)",
    async (profile) => {
      const { browser, url, me, provider } = await loggedIn({
        portal: { document: "full" },
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

  test("leads to the address that is configured", async () => {
    const { browser, url } = await loggedIn({
      options: { postLogoutRedirectUri: "https://www.example/bye" },
    });
    const { headers } = await browser.navigate(`${url}/logout`, { site: "same-origin" });
    expect(new URL(headers.location ?? "").searchParams.get("logout_redirect_uri")).toBe(
      "https://www.example/bye",
    );
  });

  test("works without a local session: the portal's may still be there", async () => {
    const { browser, url, provider, asked } = await startWorld();
    const { status, headers } = await browser.navigate(`${url}/logout`, { site: "same-origin" });
    expect([status, headers.location?.startsWith(`${provider.issuer}/logout?`)]).toEqual([303, true]);
    expect(asked("/oauth2/revoke")).toEqual([]);
  });

  test("tells a script where to send the person, as it cannot follow a redirect to another site", async () => {
    const { browser, url, provider, me } = await loggedIn();
    const answer = await browser.fetch(`${url}/logout`, { method: "POST" });
    expect(answer.status).toBe(200);
    expect(JSON.parse(answer.body).logout_url).toMatch(new RegExp(`^${provider.issuer}/logout\\?`));
    expect((await me()).isAuthenticated).toBe(false);
  });

  test("can be begun by a route of the app", async () => {
    const { browser, url, me, provider } = await loggedIn({
      after: (app) => app.post("/bye", (req) => req.portal.logout()),
    });
    const answer = await browser.navigate(`${url}/bye`, { method: "POST", site: "same-origin" });
    expect([answer.status, answer.headers["refresh"]]).toEqual([
      200,
      expect.stringContaining(`url=${provider.issuer}/logout?`),
    ]);
    expect((await me()).isAuthenticated).toBe(false);
  });
});

describe("a portal that is in trouble cannot keep a person logged in here", () => {
  test("down", async () => {
    const { browser, url, provider, me, log } = await loggedIn({ log: [/revocation_failed/] });
    provider.goDown();
    const answer = await browser.navigate(`${url}/logout`, { site: "same-origin" });
    expect(answer.status).toBe(303);
    expect((await me()).isAuthenticated).toBe(false);
    expect(log.join()).toContain("portal_unreachable");
  });

  test("down since before it was discovered: the person stays on this site", async () => {
    const { browser, url, provider } = await startWorld({ log: [/portal_unreachable/] });
    provider.goDown();
    const { headers } = await browser.navigate(`${url}/logout`, { site: "same-origin" });
    expect(headers.location).toBe(`${url}/`);
  });

  test.each([
    ["a refusal", 401, '{"error":"invalid_client"}'],
    ["a server error", 500, ""],
  ])("%s", async (_name, status, body) => {
    const { browser, url, provider, me, log } = await loggedIn({ log: [/revocation_failed/] });
    provider.answerNext("/oauth2/revoke", (_req, res) =>
      res.writeHead(status, { "content-type": "application/json" }).end(body),
    );
    expect((await browser.navigate(`${url}/logout`, { site: "same-origin" })).status).toBe(303);
    expect((await me()).isAuthenticated).toBe(false);
    expect(log.join()).toContain("revocation answered");
  });

  test("silent: nobody waits for longer than five seconds, and the session is gone before that", async () => {
    const { browser, url, provider, me } = await loggedIn();
    const reached = new Promise<ServerResponse>((resolve) =>
      provider.answerNext("/oauth2/revoke", (_req, res) => resolve(res)),
    );
    fakeTimeouts();
    const answer = browser.navigate(`${url}/logout`, { site: "same-origin" });
    const silent = await reached;
    const cookie = [...(await browser.cookies(url))].map(([name, value]) => `${name}=${value}`).join("; ");
    expect((await new Browser().fetch(`${url}/account`, { headers: { cookie } })).status).toBe(401);
    await vi.advanceTimersByTimeAsync(5000);
    expect((await answer).status).toBe(303);
    vi.useRealTimers();
    expect((await me()).isAuthenticated).toBe(false);
    silent.end(); // late, and in the background, it is revoked after all
  });
});

describe("another site cannot log a person out", () => {
  test.each(["cross-site", "same-site", "none"] as const)(
    "a link that comes %s is asked about first",
    async (site) => {
      const { browser, url, me, asked } = await loggedIn();
      const page = await browser.navigate(`${url}/logout`, { site });
      expect([page.status, page.body.includes("Sign out?")]).toEqual([200, true]);
      expect((await me()).isAuthenticated).toBe(true);
      expect(asked("/oauth2/revoke")).toEqual([]);
    },
  );

  test("neither is a form that posts from there", async () => {
    const { browser, url, me } = await loggedIn();
    await browser.navigate(`${url}/logout`, { site: "cross-site", method: "POST", form: {} });
    expect((await me()).isAuthenticated).toBe(true);
  });

  test("nor an image or a script, which are told so", async () => {
    const { browser, url, me } = await loggedIn({ log: [/logout_unconfirmed/] });
    const answer = await browser.fetch(`${url}/logout`, { site: "cross-site" });
    expect([answer.status, JSON.parse(answer.body).code]).toEqual([403, "logout_unconfirmed"]);
    expect((await me()).isAuthenticated).toBe(true);
  });

  test("an image in what people write on this site is nobody's wish either", async () => {
    const { browser, url, me } = await loggedIn({ log: [/logout_unconfirmed/] });
    const headers = {
      "sec-fetch-site": "same-origin",
      "sec-fetch-mode": "no-cors",
      "sec-fetch-dest": "image",
    };
    expect((await browser.request(`${url}/logout`, { headers })).status).toBe(403);
    expect((await me()).isAuthenticated).toBe(true);
  });

  test.each(["object", "embed", "iframe", "frame"])(
    "nor is one that is loaded as <%s>, although that navigates",
    async (dest) => {
      const { browser, url, me } = await loggedIn();
      const headers = { "sec-fetch-dest": dest };
      const page = await browser.navigate(`${url}/logout`, { site: "same-origin", headers });
      expect([page.status, page.body.includes("Sign out?")]).toEqual([200, true]);
      expect((await me()).isAuthenticated).toBe(true);
    },
  );

  test("a browser that does not tell what it loads for is believed", async () => {
    const { browser, url, me } = await loggedIn();
    const metadata = {
      "sec-fetch-site": "same-origin",
      "sec-fetch-mode": "navigate",
      "sec-fetch-user": "?1",
    };
    const headers = { accept: "text/html", ...metadata };
    expect((await browser.request(`${url}/logout`, { headers })).status).toBe(303);
    expect((await me()).isAuthenticated).toBe(false);
  });

  test("the page's own button works", async () => {
    const { browser, url, me } = await loggedIn();
    const page = await browser.navigate(`${url}/logout`, { site: "cross-site" });
    expect(page.body).toContain('<form method="post" action="/logout">');
    await browser.navigate(`${url}/logout`, {
      site: "same-origin",
      method: "POST",
      form: fieldsOf(page.body),
    });
    expect((await me()).isAuthenticated).toBe(false);
  });

  describe("a browser from before Fetch Metadata", () => {
    const old = { old: true } as const;

    test("is asked as well, and its button works by what the page gave it", async () => {
      const { browser, url, me } = await loggedIn();
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

    test("a form of the app's own pages works by its Origin", async () => {
      const { browser, url, me } = await loggedIn();
      await browser.navigate(`${url}/logout`, { ...old, method: "POST", headers: { origin: url }, form: {} });
      expect((await me()).isAuthenticated).toBe(false);
    });

    test.each<[string, (url: string, page: string) => Promise<Record<string, string>>]>([
      ["nothing", async () => ({})],
      ["something made up", async () => ({ confirmation: "a.b.c.d.e" })],
      [
        "what the page gave somebody else",
        async (url) => {
          const other = new Browser();
          await other.visit(`${url}/account`);
          return fieldsOf((await other.navigate(`${url}/logout`, old)).body);
        },
      ],
      [
        "what the page gives a visitor",
        async (url) => fieldsOf((await new Browser().navigate(`${url}/logout`, old)).body),
      ],
    ])("a form that posts %s does not", async (_name, make) => {
      const { browser, url, me } = await loggedIn();
      const page = await browser.navigate(`${url}/logout`, old);
      const form = await make(url, page.body);
      await browser.navigate(`${url}/logout`, {
        ...old,
        method: "POST",
        headers: { origin: "https://evil.example" },
        form,
      });
      expect((await me()).isAuthenticated).toBe(true);
    });

    test("what the page gave is good for ten minutes", async () => {
      const { browser, url, me } = await loggedIn();
      const page = await browser.navigate(`${url}/logout`, old);
      advanceDate(10 * 60 * 1000 + 1);
      await browser.navigate(`${url}/logout`, { ...old, method: "POST", form: fieldsOf(page.body) });
      expect((await me()).isAuthenticated).toBe(true);
    });
  });
});

test("a browser that loads ahead, and a HEAD, log nobody out", async () => {
  const { browser, url, me } = await loggedIn();
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
