import { createDecipheriv, hkdfSync } from "node:crypto";
import { createServer } from "node:http";
import express from "express";
import session from "express-session";
import { compactDecrypt } from "jose";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { portalAuth, requireAuth } from "../../lib/index.js";
import { type LoggedIn, logIn, SESSIONS, TOKEN_SECONDS } from "../access/logged-in.js";
import { storedSessions } from "../support/stored-sessions.js";
import { CLIENT_ID, CLIENT_SECRET, close, listen, SESSION_SECRET } from "../support/world.js";

vi.mock("node:crypto", async (original) => {
  const real = await original<typeof import("node:crypto")>();
  return { ...real, createDecipheriv: vi.fn(real.createDecipheriv) };
});

declare module "express-session" {
  interface SessionData {
    visits?: number;
  }
}

const [A, B] = ["a".repeat(32), "b".repeat(32)];
const UNREADABLE = { log: [/tokens_unreadable/] };

type Whose = "app" | "ours";

interface Lying {
  readonly portal?: { readonly tokens: string | object; readonly claims: { sub: string } };
  readonly visits?: number;
}

/** What lies in the store, to look at and to tamper with. */
function openStore({ store }: LoggedIn) {
  const { sessions } = store as unknown as { sessions: Record<string, string> };
  const ids = () => Object.keys(storedSessions(store));
  return {
    text: () => Object.values(sessions).join("\n"), // with what is kept beside the sessions
    ids,
    read: (id = ids()[0] ?? ""): Lying => JSON.parse(sessions[id] ?? "null"),
    write(id: string, change: (lying: Required<Lying>) => object) {
      sessions[id] = JSON.stringify(change(JSON.parse(sessions[id] ?? "null")));
    },
    /** Everything that is written from now on. */
    watch(): string[] {
      const written: string[] = [];
      const watched = new Proxy(sessions, {
        set: (target, id, text) => {
          written.push(text);
          return Reflect.set(target, id, text);
        },
      });
      Object.assign(store, { sessions: watched });
      return written;
    },
  };
}

const keyOf = (secret: string) =>
  new Uint8Array(hkdfSync("sha256", secret, "", "express-portal-auth tokens at rest", 32));

/** What is sealed in a session, by the means of any JWE library; undefined when another key sealed it. */
async function unseal({ portal }: Lying, secret: string): Promise<unknown> {
  const opened = await compactDecrypt(String(portal?.tokens), keyOf(secret)).catch(() => undefined);
  return opened && JSON.parse(new TextDecoder().decode(opened.plaintext));
}

/** The same application in another process: its own memory, the same sessions. */
async function startAnother(world: LoggedIn, whose: Whose, tokenEncryptionKey: string | string[] | undefined) {
  const store = new session.MemoryStore();
  Object.assign(store, { sessions: (world.store as unknown as { sessions: object }).sessions });
  const app = express();
  if (whose === "app") app.use(session({ store, secret: "the app's own", resave: false, saveUninitialized: false }));
  app.use(
    portalAuth({
      issuer: world.portal.issuer,
      profile: "tencent-ciam",
      clientId: CLIENT_ID,
      clientSecret: CLIENT_SECRET,
      redirectUri: `${world.url}/callback`,
      secret: SESSION_SECRET,
      clock: world.clock,
      ...(tokenEncryptionKey !== undefined && { tokenEncryptionKey }),
      ...(whose === "ours" && { store }),
    }),
  );
  app.get("/test/me", async (req, res) => {
    const { isAuthenticated, claims } = req.portal;
    res.json({ isAuthenticated, claims, tokens: await req.portal.tokens() });
  });
  app.get("/test/token", async (req, res) => void res.send(await req.portal.accessToken()));
  app.get("/account", requireAuth(), (_req, res) => void res.send("in"));
  app.get("/change", (req, res) => {
    req.session.visits = (req.session.visits ?? 0) + 1;
    res.json(req.session.visits);
  });
  const server = createServer(app);
  onTestFinished(() => close(server));
  const url = await listen(server);
  return {
    url,
    me: async () => JSON.parse((await world.browser.fetch(`${url}/test/me`)).body),
    account: async () => (await world.browser.fetch(`${url}/account`)).status,
    token: async () => (await world.browser.fetch(`${url}/test/token`)).body,
    change: () => world.browser.fetch(`${url}/change`),
  };
}

describe.each(SESSIONS)("with TOKEN_ENCRYPTION_KEY, %s", (_name, whose) => {
  const start = (given: Parameters<typeof logIn>[0] = {}) =>
    logIn({ ...given, session: whose, options: { tokenEncryptionKey: A, ...given.options } });

  test("holds the tokens as a JWE, bound to session and person, and works as without", async () => {
    const world = await start();
    const { read, ids, text } = openStore(world);
    const tokens = await world.tokens();
    const [header = ""] = String(read().portal?.tokens).split(".");
    expect(JSON.parse(Buffer.from(header, "base64url").toString())).toEqual({ alg: "dir", enc: "A256GCM" });
    expect(await unseal(read(), A)).toEqual({ session: ids()[0], sub: "amara-okafor", tokens });
    for (const token of [tokens.access_token, tokens.refresh_token, tokens.id_token])
      expect(text()).not.toContain(token);
    expect(await world.ask()).toEqual({ status: 200, access_token: tokens.access_token });
  });

  test("is written without a token in the clear, whatever happens to it", async () => {
    const world = await start();
    const written = openStore(world).watch();
    await world.inRequest(async ({ session }) => Object.assign(session, { visits: 1 }));
    world.later(TOKEN_SECONDS);
    await world.ask();
    await world.inRequest(async ({ session }) => Object.assign(session, { visits: 2 }));
    await world.browser.visit(`${world.url}/login`);
    expect(written.length).toBeGreaterThanOrEqual(4);
    for (const text of written) {
      const { portal, index } = JSON.parse(text);
      if (!index) expect(portal.tokens).toMatch(/^[\w-]+\.\.[\w-]+\.[\w-]+\.[\w-]+$/);
      expect(text).not.toMatch(/access_token|"eyJ[\w-]+\.eyJ/);
    }
  });

  test("is refreshed, and lies there sealed anew", async () => {
    const world = await start();
    const { read } = openStore(world);
    const before = await world.tokens();
    world.later(TOKEN_SECONDS);
    const { access_token } = await world.ask();
    expect(access_token).not.toBe(before.access_token);
    expect(await unseal(read(), A)).toMatchObject({ tokens: { access_token } });
  });

  test("is opened once: a second request decrypts nothing", async () => {
    const world = await start();
    const decrypted = vi.mocked(createDecipheriv);
    await world.me();
    decrypted.mockClear();
    await world.me();
    expect((await world.ask()).status).toBe(200);
    expect(decrypted).not.toHaveBeenCalled();
  });

  test("is joined by a second click on the callback", async () => {
    const { browser, url, me, stored } = await start();
    const callback = await browser.loginUntilCallback(`${url}/login`, { site: "same-origin" });
    await Promise.all([browser.navigate(callback), browser.navigate(callback)]);
    expect((await me()).isAuthenticated).toBe(true);
    expect(JSON.stringify(stored())).not.toContain("access_token");
  });

  test("ends with a logout, which revokes the refresh token that was sealed", async () => {
    const { browser, url, me, tokens, asked, stored } = await start();
    const { refresh_token = "" } = await tokens();
    await browser.visit(`${url}/logout`, { site: "same-origin" });
    expect(asked("/oauth2/revoke").map(({ body }) => new URLSearchParams(body).get("token"))).toEqual([refresh_token]);
    expect([(await me()).isAuthenticated, stored()]).toEqual([false, []]);
  });

  describe("counts as logged out, and is reported once,", () => {
    test.each<[string, (lying: Required<Lying>) => object]>([
      [
        "when a letter of the seal has changed",
        ({ portal, ...others }) => ({ ...others, portal: { ...portal, tokens: changed(portal.tokens) } }),
      ],
      [
        "when the person has changed",
        ({ portal, ...others }) => ({ ...others, portal: { ...portal, claims: { sub: "jonas-weber" } } }),
      ],
      ["when the claims are gone", ({ portal: { claims: _, ...portal }, ...others }) => ({ ...others, portal })],
    ])("%s", async (_name, change) => {
      const world = await start(UNREADABLE);
      const { ids, write } = openStore(world);
      write(ids()[0] ?? "", change);
      await expectLoggedOut(world);
    });

    test("when it holds the tokens of another session, though it be of the same person", async () => {
      const world = await start(UNREADABLE);
      const other = await world.another();
      const { ids, read, write } = openStore(world);
      const [mine = "", theirs = ""] = ids();
      const [one, two] = [read(mine).portal, read(theirs).portal];
      write(mine, (lying) => ({ ...lying, portal: two }));
      write(theirs, (lying) => ({ ...lying, portal: one }));
      await expectLoggedOut(world);
      expect((await world.me(other)).isAuthenticated).toBe(false);
      expect(world.log.filter((line) => line.includes("tokens_unreadable"))).toHaveLength(2);
    });

    test.each<[string, string | undefined]>([
      ["when the key is gone", undefined],
      ["when the key is another", B],
    ])("%s; and counts again when it is back", async (_name, key) => {
      const world = await start(UNREADABLE);
      const { text } = openStore(world);
      const before = text();
      const other = await startAnother(world, whose, key);
      for (let time = 0; time < 3; time += 1) {
        expect(await other.me()).toEqual({ isAuthenticated: false });
        expect(await other.account()).toBe(401);
      }
      expect(world.log.filter((line) => line.includes("tokens_unreadable"))).toHaveLength(1);
      expect(text()).toBe(before);
      expect((await world.me()).isAuthenticated).toBe(true);
    });
  });

  test("is left as it is by a process that cannot open it, and changes something else in it", async () => {
    const world = await start(UNREADABLE);
    const { read } = openStore(world);
    const other = await startAnother(world, whose, undefined);
    const before = read();
    await other.change();
    expect(read()).toMatchObject({ visits: 1, portal: before.portal });
    expect((await world.me()).isAuthenticated).toBe(true);
  });
});

describe.each(SESSIONS)("when the key rotates, %s", (_name, whose) => {
  test("is opened by the old key behind the new one, and sealed by the new one when tokens are written", async () => {
    const world = await logIn({ session: whose, options: { tokenEncryptionKey: A } });
    const { read } = openStore(world);
    const tokens = await world.tokens();
    const both = await startAnother(world, whose, [B, A]);
    expect(await both.me()).toMatchObject({ isAuthenticated: true, tokens });
    await both.change();
    expect(await both.me()).toMatchObject({ isAuthenticated: true, tokens });
    world.later(TOKEN_SECONDS);
    const access_token = await both.token();
    expect(access_token).not.toBe(tokens.access_token);
    expect(await unseal(read(), B)).toMatchObject({ tokens: { access_token } });
    const onlyNew = await startAnother(world, whose, B);
    expect(await onlyNew.me()).toMatchObject({ isAuthenticated: true, tokens: { access_token } });
  });
});

describe.each(SESSIONS)("stored in the clear before there was a key, %s", (_name, whose) => {
  test("counts, and is sealed when it is written the next time", async () => {
    const world = await logIn({ session: whose });
    const { read, text } = openStore(world);
    const tokens = await world.tokens();
    expect(read().portal?.tokens).toEqual(tokens);
    const withKey = await startAnother(world, whose, A);
    expect(await withKey.me()).toMatchObject({ isAuthenticated: true, tokens });
    await withKey.change();
    expect(await unseal(read(), A)).toMatchObject({ tokens });
    expect(text()).not.toContain(tokens.access_token);
    expect(await withKey.me()).toMatchObject({ isAuthenticated: true, tokens });
  });
});

async function expectLoggedOut({ me, browser, url, ask, portal, log }: LoggedIn): Promise<void> {
  for (let time = 0; time < 3; time += 1) {
    expect(await me()).toEqual({ isAuthenticated: false });
    expect((await browser.fetch(`${url}/account`)).status).toBe(401);
    expect(await ask()).toEqual({ status: 401, code: "login_required" });
  }
  expect((await browser.navigate(`${url}/account`)).headers.location).toContain(`${portal.issuer}/oauth2/authorize?`);
  expect(log.filter((line) => line.includes("tokens_unreadable"))).toHaveLength(1);
  await browser.visit(`${url}/account`);
  expect(await me()).toMatchObject({ isAuthenticated: true, claims: { sub: "amara-okafor" } });
}

function changed(tokens: string | object): string {
  const text = String(tokens);
  const middle = text.length >> 1;
  return text.slice(0, middle) + (text[middle] === "A" ? "B" : "A") + text.slice(middle + 1);
}
