import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { generate } from "selfsigned";
import { describe, expect, onTestFinished, test } from "vitest";
import { cleanEnvironment, runWell } from "../package/run.js";
import { Browser } from "../support/browser.js";
import { launchChromium, noChromium } from "../support/chromium.js";
import { noNginx, startNginx } from "../support/nginx.js";
import { describeWithMariadb, describeWithRedis } from "../support/servers/describe.js";
import { freePort } from "../support/servers/free-port.mjs";
import { launch } from "../support/servers/launch.mjs";
import { describeWithMongodb } from "./mongodb-database.js";
import { createMysqlDatabase } from "./mysql-database.js";
import { copyRecipe, RECIPES, type Recipe, ROOT, startProviderFor, startRecipe } from "./start-recipe.js";

const MINUTE_MS = 60_000;
const AMARA = "amara-okafor";

/** Checks that a user is redirected to the provider, comes back to the guarded page, and can sign out. */
async function checkSignIn(
  { browser, provider }: Pick<Recipe, "browser" | "provider">,
  base: string,
  guarded = "/account",
) {
  const redirect = await browser.navigate(base + guarded);
  expect(redirect.headers.location).toMatch(new RegExp(`^${provider.issuer}/oauth2/authorize`));
  expect((await browser.fetch(base + guarded)).status).toBe(401);
  const page = await browser.visit(base + guarded);
  expect([page.status, page.body]).toEqual([200, expect.stringContaining(AMARA)]);
  await browser.navigate(`${base}/logout`, { site: "same-origin" });
  expect((await browser.fetch(base + guarded)).status).toBe(401);
}

describe("each recipe", async () => {
  const folders = (await readdir(RECIPES, { withFileTypes: true })).filter((entry) => entry.isDirectory());
  const { version } = JSON.parse(await readFile(join(ROOT, "package.json"), "utf8"));

  test.each(folders.map(({ name }) => name))(
    "%s can be copied: its package.json and README are complete",
    async (name) => {
      const { dependencies, private: isPrivate } = JSON.parse(
        await readFile(join(RECIPES, name, "package.json"), "utf8"),
      );
      expect([isPrivate, dependencies["express-portal-auth"]]).toEqual([true, `^${version}`]);
      const text = await readFile(join(RECIPES, name, "README.md"), "utf8");
      const [, packages = ""] = /npm install ([^#\n]+)/.exec(text) ?? [];
      const installed = packages
        .trim()
        .split(/\s+/)
        .map((spec) => spec.replace(/(?!^)@.*$/, ""));
      for (const dependency of installed) expect(dependencies).toHaveProperty([dependency]);
      const isReconstruction = (file: string) => name === "from-portal-sdk" && file === "before.mjs";
      const files = await readdir(join(RECIPES, name));
      const programs = files.filter((file) => file.endsWith(".mjs") && !isReconstruction(file));
      for (const program of programs) {
        const code = await readFile(join(RECIPES, name, program), "utf8");
        const imported = [...code.matchAll(/from '([^'.][^']*)'/g)].map(([, from = ""]) =>
          from.replace(/^((@[^/]+\/)?[^/]+)\/.*/, "$1"),
        );
        for (const dependency of imported.filter((from) => !from.startsWith("node:")))
          expect(dependencies).toHaveProperty([dependency]);
      }
      const list = await readFile(join(RECIPES, "README.md"), "utf8");
      expect(list).toContain(`[${name}](${name})`);
    },
  );
});

test("new-app is the README's first program, and works", async () => {
  const readme = await readFile(join(ROOT, "README.md"), "utf8");
  const [, first = ""] = /```js\n(.*?)```/s.exec(readme) ?? [];
  expect(await readFile(join(RECIPES, "new-app/app.mjs"), "utf8")).toBe(first);
  const recipe = await startRecipe("new-app");
  expect((await recipe.browser.visit(recipe.url)).body).toContain('href="/login"');
  await checkSignIn(recipe, recipe.url);
});

test("portal.mjs starts a provider, and an app works with the variables that it prints", async () => {
  const folder = await mkdtemp(join(tmpdir(), "portal-auth-portal-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  await writeFile(join(folder, "portal.mjs"), await readFile(join(RECIPES, "portal.mjs")));
  await mkdir(join(folder, "node_modules"));
  for (const [name, from] of [
    ["express-portal-auth", ROOT],
    ["oidc-provider", join(ROOT, "node_modules/oidc-provider")],
  ])
    await symlink(from as string, join(folder, "node_modules", name as string), "junction");
  const preload = fileURLToPath(new URL("on-port.mjs", import.meta.url));
  const running = await launch(process.execPath, ["--import", preload, "portal.mjs"], {
    cwd: folder,
    env: cleanEnvironment({ TEST_PORT: String(await freePort()) }),
    ready: /PORTAL_CLIENT_SECRET=/,
    end: (pid: number) => {
      process.kill(pid, "SIGKILL");
    },
  });
  onTestFinished(() => {
    process.kill(running.pid as number, "SIGKILL");
  });
  const printed = [...running.output().matchAll(/^export (\w+)=(.*)$/gm)].map(([, name = "", value = ""]) => [
    name,
    value,
  ]);
  const env: Record<string, string> = Object.fromEntries(printed);
  const recipe = await startRecipe("new-app", { environment: env });
  const page = await recipe.browser.visit(`${recipe.url}/account`);
  const user = { sub: "amara-okafor", name: "Amara Okafor", email: "amara@lighthouse.example" };
  expect([page.status, JSON.parse(page.body)]).toEqual([200, user]);
  const signedOut = await recipe.browser.visit(`${recipe.url}/logout`, { site: "same-origin" });
  expect([signedOut.status, signedOut.url]).toEqual([
    200,
    expect.stringMatching(new RegExp(`^${recipe.url}/`)),
  ]);
});

describe("express-4", () => {
  test("keeps its own session, and the cart survives the login", async () => {
    const recipe = await startRecipe("express-4", { packages: { express: "express4" } });
    const { browser, url } = recipe;
    await browser.request(`${url}/cart`, { method: "POST", form: { item: "tea" } });
    const checkout = await browser.visit(`${url}/checkout`);
    expect(JSON.parse(checkout.body)).toEqual({ buyer: AMARA, cart: ["tea"] });
    expect([...(await browser.cookies(url)).keys()]).toContain("connect.sid");
    await browser.navigate(`${url}/logout`, { site: "same-origin" });
    expect(JSON.parse((await browser.fetch(url)).body)).toEqual({ who: "visitor", cart: [] });
    await checkSignIn({ ...recipe, browser: new Browser() }, url, "/checkout");
  });

  test("passes the rejection of a handler to the error handler, and does not end", async () => {
    const { browser, url, provider } = await startRecipe("express-4", { packages: { express: "express4" } });
    await browser.visit(`${url}/checkout`);
    expect(JSON.parse((await browser.fetch(`${url}/profile`)).body)).toMatchObject({ sub: AMARA });
    provider.goDown();
    expect((await browser.fetch(`${url}/profile`)).status).toBe(503);
    expect((await browser.fetch(url)).status).toBe(200);
  });
});

/** Checks that two processes share sessions: a user signs in at one, and signs out at the other. */
async function checkSharedSessions(name: string, environment: Record<string, string>): Promise<void> {
  const first = await startRecipe(name, { environment });
  const { browser, provider } = first;
  const redirectUri = { PORTAL_REDIRECT_URI: `${first.url}/callback` };
  const second = await startRecipe(name, { environment: { ...environment, ...redirectUri }, provider });
  await browser.visit(`${first.url}/account`);
  const readAccount = async (url: string) => JSON.parse((await browser.fetch(`${url}/account`)).body);
  const accounts = [await readAccount(first.url), await readAccount(second.url)];
  expect(accounts.map(({ sub }) => sub)).toEqual([AMARA, AMARA]);
  expect(accounts[0].process).not.toBe(accounts[1].process);
  await browser.navigate(`${second.url}/logout`, { site: "same-origin" });
  expect((await browser.fetch(`${first.url}/account`)).status).toBe(401);
  await checkSignIn({ browser: new Browser(), provider }, first.url);
  await Promise.all([first.stop(), second.stop()]);
}

/** Checks that the tests of a recipe pass in a copy of it. */
async function checkOwnTests(name: string, environment: Record<string, string>): Promise<void> {
  const folder = await copyRecipe(name);
  const lines = Object.entries(environment).map((pair) => pair.join("="));
  await writeFile(join(folder, ".env"), lines.join("\n"));
  const output = await runWell(
    process.execPath,
    ["--env-file=.env", "--test", "--test-reporter=tap"],
    folder,
  );
  expect(output).toMatch(/^# pass \d{2,}\n# fail 0$/m);
}

describeWithMariadb("mysql", (mariadb) => {
  test("users are signed in at two processes", async () => {
    const url = await createMysqlDatabase(mariadb().url);
    await checkSharedSessions("mysql", { DATABASE_URL: url, TOKEN_ENCRYPTION_KEY: "k".repeat(40) });
  });

  test(
    "the tests of the adapter pass with node --test, as in its README",
    async () => checkOwnTests("mysql", { DATABASE_URL: await createMysqlDatabase(mariadb().url) }),
    MINUTE_MS,
  );
});

describeWithMongodb("mongodb", (url) => {
  test("users are signed in at two processes", () =>
    checkSharedSessions("mongodb", { MONGODB_URL: url(), TOKEN_ENCRYPTION_KEY: "k".repeat(40) }));

  test(
    "the tests of the adapter pass with node --test, as in its README",
    () => checkOwnTests("mongodb", { MONGODB_URL: url() }),
    MINUTE_MS,
  );
});

describeWithRedis("redis", (redis) => {
  test("users are signed in at two processes, also after a restart", async () => {
    const environment = { SESSION_STORE_URL: redis().url, TOKEN_ENCRYPTION_KEY: "k".repeat(40) };
    const first = await startRecipe("redis", { environment });
    const { browser, provider } = first;
    const second = await startRecipe("redis", {
      environment: { ...environment, PORTAL_REDIRECT_URI: `${first.url}/callback` },
      provider,
    });
    await browser.visit(`${first.url}/account`);
    const readAccount = async (url: string) => JSON.parse((await browser.fetch(`${url}/account`)).body);
    // The browser sends the cookie to both ports.
    const account = await readAccount(first.url);
    const otherAccount = await readAccount(second.url);
    expect([account.sub, otherAccount.sub]).toEqual([AMARA, AMARA]);
    expect(account.process).not.toBe(otherAccount.process);
    await first.stop();
    expect((await readAccount(second.url)).sub).toBe(AMARA);
    const restarted = await startRecipe("redis", { environment, provider, port: first.port });
    expect((await readAccount(restarted.url)).sub).toBe(AMARA);
  });

  test("/live responds without Redis, /ready only with it", async () => {
    const down = `redis://127.0.0.1:${await freePort()}`;
    const ready = await startRecipe("redis", { environment: { SESSION_STORE_URL: redis().url } });
    const notReady = await startRecipe("redis", { environment: { SESSION_STORE_URL: down } });
    const status = async (url: string) => (await new Browser().fetch(url)).status;
    expect([await status(`${ready.url}/live`), await status(`${ready.url}/ready`)]).toEqual([200, 200]);
    expect([await status(`${notReady.url}/live`), await status(`${notReady.url}/ready`)]).toEqual([200, 503]);
  });
});

describe("single-page", () => {
  test("a script gets 401 with the URL of the login, and other pages cannot change data", async () => {
    const { browser, url } = await startRecipe("single-page");
    const rejected = await browser.fetch(`${url}/api/me`);
    expect([rejected.status, JSON.parse(rejected.body).login]).toEqual([401, "/login"]);
    await browser.visit(`${url}/login`);
    expect(JSON.parse((await browser.fetch(`${url}/api/me`)).body)).toEqual({ sub: AMARA, notes: [] });
    const post = (site: "same-origin" | "same-site") =>
      browser.request(`${url}/api/notes`, { method: "POST", headers: { "sec-fetch-site": site }, form: {} });
    expect((await post("same-site")).status).toBe(403);
    expect((await post("same-origin")).status).not.toBe(403);
  });

  test.skipIf(noChromium)(
    `in a real browser: sign in, add a note, sign out${noChromium && ` (${noChromium})`}`,
    async () => {
      const { url } = await startRecipe("single-page");
      const browser = await launchChromium();
      onTestFinished(() => browser.close());
      const page = await browser.newPage();
      await page.goto(`${url}/#top`);
      await page.getByRole("button", { name: "Sign in" }).click();
      await page.getByRole("button", { name: /Amara/ }).click();
      await page.getByRole("heading", { name: `Hello ${AMARA}` }).waitFor();
      expect(page.url()).toBe(`${url}/#top`);
      await page.getByLabel("A note").fill("water the plants");
      await page.getByRole("button", { name: "Add" }).click();
      await page.getByRole("listitem").filter({ hasText: "water the plants" }).waitFor();
      await page.getByRole("button", { name: "Sign out" }).click();
      await page.getByRole("heading", { name: "Please sign in" }).waitFor();
    },
  );
});

describe("migration", () => {
  test.each([
    ["from-express-openid-connect", "before.mjs"],
    ["from-express-openid-connect", "after.mjs"],
    ["from-passport-openidconnect", "before.mjs"],
    ["from-passport-openidconnect", "after.mjs"],
  ])("%s: %s redirects to the provider, and back to the requested page", async (name, program) => {
    const { browser, url } = await startRecipe(name, {
      program,
      environment: { PORTAL_PROFILE: "tencent-ciam" },
    });
    expect(JSON.parse((await browser.visit(url)).body)).toEqual({ isAuthenticated: false });
    const account = await browser.visit(`${url}/account`);
    expect([account.url, account.status, JSON.parse(account.body).sub]).toEqual([
      `${url}/account`,
      200,
      AMARA,
    ]);
    expect(JSON.parse((await browser.visit(url)).body)).toEqual({ isAuthenticated: true });
    if (name.includes("express-openid"))
      expect(JSON.parse((await browser.visit(`${url}/token`)).body).length).toBeGreaterThan(100);
    await browser.navigate(`${url}/logout`, { site: "same-origin" });
    expect(JSON.parse((await browser.visit(url)).body)).toEqual({ isAuthenticated: false });
  });

  test("from-portal-sdk: after.mjs is the app of new-app", async () => {
    const after = await readFile(join(RECIPES, "from-portal-sdk/after.mjs"), "utf8");
    expect(after).toBe(await readFile(join(RECIPES, "new-app/app.mjs"), "utf8"));
    const recipe = await startRecipe("from-portal-sdk", { program: "after.mjs" });
    await checkSignIn(recipe, recipe.url);
  });
});

describe.skipIf(noNginx)(`nginx${noNginx && ` (${noNginx})`}`, () => {
  /**
   * Starts nginx with the recipe's configuration, changed only for the ports, names and files of the test.
   */
  async function startSite(appPort: number, change: (configuration: string) => string = (text) => text) {
    const { private: key, cert } = await generate([{ name: "commonName", value: "localhost" }], {
      keySize: 2048,
      extensions: [{ name: "subjectAltName", altNames: [{ type: 2, value: "localhost" }] }],
    });
    const http = await freePort();
    const https = await freePort();
    await startNginx(async (folder) => {
      await writeFile(join(folder, "app.pem"), cert);
      await writeFile(join(folder, "app.key"), key);
      return change(await readFile(join(RECIPES, "nginx/nginx.conf"), "utf8"))
        .replaceAll("http://127.0.0.1:3000", `http://127.0.0.1:${appPort}`)
        .replace("listen 80;", `listen 127.0.0.1:${http};`)
        .replace("listen 443 ssl;", `listen 127.0.0.1:${https} ssl;`)
        .replace("https://app.example$request_uri", `https://localhost:${https}$request_uri`)
        .replaceAll("app.example;", "localhost;")
        .replace("/etc/ssl/app.example.pem", join(folder, "app.pem"))
        .replace("/etc/ssl/app.example.key", join(folder, "app.key"))
        .replace("Host $host", "Host $http_host");
    });
    return { url: `https://localhost:${https}`, http: `http://localhost:${http}`, ca: cert };
  }

  interface NginxSettings {
    path?: string;
    base?: string;
    change?: (text: string) => string;
    environment?: Record<string, string>;
  }

  async function startBehindNginx(settings: NginxSettings = {}) {
    const { path = "", base = path, change, environment } = settings;
    const port = await freePort();
    const { url, http, ca } = await startSite(port, change);
    const provider = await startProviderFor(`${url}${path}/callback`);
    await startRecipe("nginx", {
      port,
      provider,
      publicOrigin: url,
      callback: `${path}/callback`,
      environment: { BASE_PATH: base, ...environment },
    });
    return { url, http, provider, browser: new Browser(ca) };
  }

  test("logins work, and all cookies are Secure with the prefix __Host-", async () => {
    const { url, provider, browser } = await startBehindNginx();
    await checkSignIn({ browser, provider }, url);
    const cookies = browser.answers.flatMap(({ url: requestUrl, headers }) =>
      requestUrl.startsWith(url) ? (headers["set-cookie"] ?? []) : [],
    );
    expect(cookies.length).toBeGreaterThan(2);
    for (const cookie of cookies) expect(cookie).toMatch(/^__Host-portal-.*Secure/);
  });

  test("redirects http to https", async () => {
    const { url, http, browser } = await startBehindNginx();
    const { status, headers } = await browser.navigate(`${http}/login`);
    expect([status, headers.location]).toEqual([301, `${url}/login`]);
  });

  test("accepts the callback URL with a long code", async () => {
    const { url, browser, provider } = await startBehindNginx();
    await browser.navigate(`${url}/login`);
    const { status, body } = await browser.navigate(`${url}/callback?state=x&code=${"c".repeat(7000)}`, {
      site: "cross-site",
    });
    expect([status, body]).toEqual([400, expect.stringContaining("login_not_found")]);
    expect(provider.requests.some(({ path }) => path === "/oauth2/token")).toBe(false);
  });

  const removeHeader = (text: string) => text.replace(/proxy_set_header X-Forwarded-Proto.*\n/, "\n");

  test("without X-Forwarded-Proto logins work with PORTAL_TLS_TERMINATED=on", async () => {
    const environment = { PORTAL_TLS_TERMINATED: "on" };
    const { url, provider, browser } = await startBehindNginx({ change: removeHeader, environment });
    await checkSignIn({ browser, provider }, url);
    const cookies = browser.answers.flatMap(({ url: requestUrl, headers }) =>
      requestUrl.startsWith(url) ? (headers["set-cookie"] ?? []) : [],
    );
    expect(cookies.length).toBeGreaterThan(2);
    for (const cookie of cookies) expect(cookie).toMatch(/^__Host-portal-.*Secure/);
  });

  test("a missing X-Forwarded-Proto is reported as proxy_not_trusted", async () => {
    const change = removeHeader;
    const { url, browser } = await startBehindNginx({ change });
    const { status, body } = await browser.navigate(`${url}/login`);
    expect([status, body]).toEqual([500, expect.stringContaining("proxy_not_trusted")]);
  });

  test("SameSite=Strict for all cookies is reported as login_cookies_strict", async () => {
    const change = (text: string) =>
      text.replace("proxy_http_version", "proxy_cookie_flags ~ samesite=strict;\n proxy_http_version");
    const { url, browser } = await startBehindNginx({ change });
    await browser.visit(`${url}/account`);
    const page = await browser.visit(`${url}/account`);
    expect([page.status, page.body]).toEqual([400, expect.stringContaining("login_cookies_strict")]);
  });

  test("a path that nginx forwards is part of all URLs of the app", async () => {
    const change = (text: string) => text.replace("location / {", "location /shop/ {");
    const { url, provider, browser } = await startBehindNginx({ path: "/shop", change });
    await checkSignIn({ browser, provider }, `${url}/shop`);
  });

  test("a path that nginx removes is in all links and redirects", async () => {
    const change = (text: string) =>
      text
        .replace("location / {", "location /shop/ {")
        .replace("http://127.0.0.1:3000;", "http://127.0.0.1:3000/;");
    const { url, provider, browser } = await startBehindNginx({ path: "/shop", base: "", change });
    await checkSignIn({ browser, provider }, `${url}/shop`);
    const start = await browser.navigate(`${url}/shop/`);
    expect(start.body).toContain('<a href="login">');
  });
});
