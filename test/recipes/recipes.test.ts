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
import { copyRecipe, RECIPES, type Recipe, ROOT, startPortalFor, startRecipe } from "./start-recipe.js";

const MINUTE_MS = 60_000;
const AMARA = "amara-okafor";

/** What every app must do: a visitor at a guarded page goes to the portal, comes back to it, and can leave. */
async function journey(
  { browser, portal: provider }: Pick<Recipe, "browser" | "portal">,
  base: string,
  guarded = "/account",
) {
  const away = await browser.navigate(base + guarded);
  expect(away.headers.location).toMatch(new RegExp(`^${provider.issuer}/oauth2/authorize`));
  expect((await browser.fetch(base + guarded)).status).toBe(401);
  const page = await browser.visit(base + guarded);
  expect([page.status, page.body]).toEqual([200, expect.stringContaining(AMARA)]);
  await browser.navigate(`${base}/logout`, { site: "same-origin" });
  expect((await browser.fetch(base + guarded)).status).toBe(401);
}

describe("each recipe", async () => {
  const folders = (await readdir(RECIPES, { withFileTypes: true })).filter((one) => one.isDirectory());
  const { version } = JSON.parse(await readFile(join(ROOT, "package.json"), "utf8"));

  test.each(folders.map(({ name }) => name))(
    "%s can be copied out: its packages are named, and its papers are there",
    async (name) => {
      const { dependencies, private: isPrivate } = JSON.parse(
        await readFile(join(RECIPES, name, "package.json"), "utf8"),
      );
      expect([isPrivate, dependencies["express-portal-auth"]]).toEqual([true, `^${version}`]);
      const text = await readFile(join(RECIPES, name, "README.md"), "utf8");
      const [, wanted = ""] = /npm install ([^#\n]+)/.exec(text) ?? [];
      const installed = wanted
        .trim()
        .split(/\s+/)
        .map((one) => one.replace(/(?!^)@.*$/, ""));
      for (const one of installed) expect(dependencies).toHaveProperty([one]);
      const isReconstruction = (file: string) => name === "from-portal-sdk" && file === "before.mjs";
      const files = await readdir(join(RECIPES, name));
      const programs = files.filter((file) => file.endsWith(".mjs") && !isReconstruction(file));
      for (const program of programs) {
        const code = await readFile(join(RECIPES, name, program), "utf8");
        const imported = [...code.matchAll(/from '([^'.][^']*)'/g)].map(([, from = ""]) =>
          from.replace(/^((@[^/]+\/)?[^/]+)\/.*/, "$1"),
        );
        for (const one of imported.filter((from) => !from.startsWith("node:")))
          expect(dependencies).toHaveProperty([one]);
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
  await journey(recipe, recipe.url);
});

test("portal.mjs is a portal at hand, for the app that gets what it prints", async () => {
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
    end: (pid: number) => void process.kill(pid, "SIGKILL"),
  });
  onTestFinished(() => void process.kill(running.pid as number, "SIGKILL"));
  const printed = [...running.output().matchAll(/^export (\w+)=(.*)$/gm)].map(([, name = "", value = ""]) => [
    name,
    value,
  ]);
  const env: Record<string, string> = Object.fromEntries(printed);
  const recipe = await startRecipe("new-app", { environment: env });
  const page = await recipe.browser.visit(`${recipe.url}/account`);
  const user = { sub: "amara-okafor", name: "Amara Okafor", email: "amara@lighthouse.example" };
  expect([page.status, JSON.parse(page.body)]).toEqual([200, user]);
  const gone = await recipe.browser.visit(`${recipe.url}/logout`, { site: "same-origin" });
  expect([gone.status, gone.url]).toEqual([200, expect.stringMatching(new RegExp(`^${recipe.url}/`))]);
});

describe("express-4", () => {
  test("keeps its own session, and the cart survives the login", async () => {
    const recipe = await startRecipe("express-4", { packages: { express: "express4" } });
    const { browser, url } = recipe;
    await browser.request(`${url}/cart`, { method: "POST", form: { item: "tea" } });
    const bought = await browser.visit(`${url}/checkout`);
    expect(JSON.parse(bought.body)).toEqual({ buyer: AMARA, cart: ["tea"] });
    expect([...(await browser.cookies(url)).keys()]).toContain("connect.sid");
    await browser.navigate(`${url}/logout`, { site: "same-origin" });
    expect(JSON.parse((await browser.fetch(url)).body)).toEqual({ who: "visitor", cart: [] });
    await journey({ ...recipe, browser: new Browser() }, url, "/checkout");
  });

  test("hands on what a handler rejects with, and does not end", async () => {
    const {
      browser,
      url,
      portal: provider,
    } = await startRecipe("express-4", { packages: { express: "express4" } });
    await browser.visit(`${url}/checkout`);
    expect(JSON.parse((await browser.fetch(`${url}/profile`)).body)).toMatchObject({ sub: AMARA });
    provider.goDown();
    expect((await browser.fetch(`${url}/profile`)).status).toBe(503);
    expect((await browser.fetch(url)).status).toBe(200);
  });
});

/** Two processes of a recipe share a database: both know the user, and a logout at one counts at the other. */
async function shareUsers(name: string, environment: Record<string, string>): Promise<void> {
  const one = await startRecipe(name, { environment });
  const { browser, portal: provider } = one;
  const redirect = { PORTAL_REDIRECT_URI: `${one.url}/callback` };
  const other = await startRecipe(name, { environment: { ...environment, ...redirect }, portal: provider });
  await browser.visit(`${one.url}/account`);
  const account = async (url: string) => JSON.parse((await browser.fetch(`${url}/account`)).body);
  const accounts = [await account(one.url), await account(other.url)];
  expect(accounts.map(({ sub }) => sub)).toEqual([AMARA, AMARA]);
  expect(accounts[0].process).not.toBe(accounts[1].process);
  await browser.navigate(`${other.url}/logout`, { site: "same-origin" });
  expect((await browser.fetch(`${one.url}/account`)).status).toBe(401);
  await journey({ browser: new Browser(), portal: provider }, one.url);
  await Promise.all([one.stop(), other.stop()]);
}

/** The tests of a recipe's own pass in a copy of it. */
async function testsItself(name: string, environment: Record<string, string>): Promise<void> {
  const folder = await copyRecipe(name);
  const lines = Object.entries(environment).map((pair) => pair.join("="));
  await writeFile(join(folder, ".env"), lines.join("\n"));
  const said = await runWell(process.execPath, ["--env-file=.env", "--test", "--test-reporter=tap"], folder);
  expect(said).toMatch(/^# pass \d{2,}\n# fail 0$/m);
}

describeWithMariadb("mysql", (mariadb) => {
  test("keeps users signed in for two processes", async () => {
    const url = await createMysqlDatabase(mariadb().url);
    await shareUsers("mysql", { DATABASE_URL: url, TOKEN_ENCRYPTION_KEY: "k".repeat(40) });
  });

  test(
    "tries its adapter as its README says, with node --test",
    async () => testsItself("mysql", { DATABASE_URL: await createMysqlDatabase(mariadb().url) }),
    MINUTE_MS,
  );
});

describeWithMongodb("mongodb", (url) => {
  test("keeps users signed in for two processes", () =>
    shareUsers("mongodb", { MONGODB_URL: url(), TOKEN_ENCRYPTION_KEY: "k".repeat(40) }));

  test(
    "tries its adapter as its README says, with node --test",
    () => testsItself("mongodb", { MONGODB_URL: url() }),
    MINUTE_MS,
  );
});

describeWithRedis("redis", (redis) => {
  test("lets two processes know the same people, through the restart of either", async () => {
    const environment = { SESSION_STORE_URL: redis().url, TOKEN_ENCRYPTION_KEY: "k".repeat(40) };
    const one = await startRecipe("redis", { environment });
    const { browser, portal: provider } = one;
    const [front, other] = [
      one.url,
      await startRecipe("redis", {
        environment: { ...environment, PORTAL_REDIRECT_URI: `${one.url}/callback` },
        portal: provider,
      }),
    ];
    await browser.visit(`${front}/account`);
    const account = async (url: string) => JSON.parse((await browser.fetch(`${url}/account`)).body);
    const [here, there] = [await account(front), await account(other.url)]; // a cookie knows no port
    expect([here.sub, there.sub, here.process !== there.process]).toEqual([AMARA, AMARA, true]);
    await one.stop();
    expect((await account(other.url)).sub).toBe(AMARA);
    const again = await startRecipe("redis", { environment, portal: provider, port: one.port });
    expect((await account(again.url)).sub).toBe(AMARA);
  });

  test("says that it is alive without Redis, and ready only with it", async () => {
    const down = `redis://127.0.0.1:${await freePort()}`;
    const up = await startRecipe("redis", { environment: { SESSION_STORE_URL: redis().url } });
    const not = await startRecipe("redis", { environment: { SESSION_STORE_URL: down } });
    const status = async (url: string) => (await new Browser().fetch(url)).status;
    expect([await status(`${up.url}/live`), await status(`${up.url}/ready`)]).toEqual([200, 200]);
    expect([await status(`${not.url}/live`), await status(`${not.url}/ready`)]).toEqual([200, 503]);
  });
});

describe("single-page", () => {
  test("tells a script to sign in, and takes what changes something from its own page alone", async () => {
    const { browser, url } = await startRecipe("single-page");
    const refused = await browser.fetch(`${url}/api/me`);
    expect([refused.status, JSON.parse(refused.body).login]).toEqual([401, "/login"]);
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

describe("moving over", () => {
  test.each([
    ["from-express-openid-connect", "before.mjs"],
    ["from-express-openid-connect", "after.mjs"],
    ["from-passport-openidconnect", "before.mjs"],
    ["from-passport-openidconnect", "after.mjs"],
  ])("%s: %s takes a visitor to the portal, and back to the page that they wanted", async (name, program) => {
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

  test("from-portal-sdk: what is left of it is the quick start", async () => {
    const after = await readFile(join(RECIPES, "from-portal-sdk/after.mjs"), "utf8");
    expect(after).toBe(await readFile(join(RECIPES, "new-app/app.mjs"), "utf8"));
    const recipe = await startRecipe("from-portal-sdk", { program: "after.mjs" });
    await journey(recipe, recipe.url);
  });
});

describe.skipIf(noNginx)(`nginx${noNginx && ` (${noNginx})`}`, () => {
  /** The recipe's own configuration, with this machine's ports, names and files in it. */
  async function startSite(appPort: number, change: (configuration: string) => string = (text) => text) {
    const { private: key, cert } = await generate([{ name: "commonName", value: "localhost" }], {
      keySize: 2048,
      extensions: [{ name: "subjectAltName", altNames: [{ type: 2, value: "localhost" }] }],
    });
    const [http, https] = [await freePort(), await freePort()];
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

  interface BehindSettings {
    path?: string;
    base?: string;
    change?: (text: string) => string;
    environment?: Record<string, string>;
  }

  async function startBehind(settings: BehindSettings = {}) {
    const { path = "", base = path, change, environment } = settings;
    const port = await freePort();
    const { url, http, ca } = await startSite(port, change);
    const provider = await startPortalFor(`${url}${path}/callback`);
    await startRecipe("nginx", {
      port,
      portal: provider,
      publicOrigin: url,
      callback: `${path}/callback`,
      environment: { BASE_PATH: base, ...environment },
    });
    return { url, http, portal: provider, browser: new Browser(ca) };
  }

  test("ends TLS before it: logins work, and all cookies are Secure and __Host-", async () => {
    const { url, portal: provider, browser } = await startBehind();
    await journey({ browser, portal: provider }, url);
    const set = browser.answers.flatMap(({ url: at, headers }) =>
      at.startsWith(url) ? (headers["set-cookie"] ?? []) : [],
    );
    expect(set.length).toBeGreaterThan(2);
    for (const line of set) expect(line).toMatch(/^__Host-portal-.*Secure/);
  });

  test("sends http to https before a login can begin there", async () => {
    const { url, http, browser } = await startBehind();
    const { status, headers } = await browser.navigate(`${http}/login`);
    expect([status, headers.location]).toEqual([301, `${url}/login`]);
  });

  test("lets the address of a long code through", async () => {
    const { url, browser, portal: provider } = await startBehind();
    await browser.navigate(`${url}/login`);
    const { status, body } = await browser.navigate(`${url}/callback?state=x&code=${"c".repeat(7000)}`, {
      site: "cross-site",
    });
    expect([status, body]).toEqual([400, expect.stringContaining("login_not_found")]);
    expect(provider.requests.some(({ path }) => path === "/oauth2/token")).toBe(false);
  });

  const withoutHeader = (text: string) => text.replace(/proxy_set_header X-Forwarded-Proto.*\n/, "\n");

  test("ends TLS and sends nothing: with PORTAL_TLS_TERMINATED=on logins work, and all cookies are Secure", async () => {
    const environment = { PORTAL_TLS_TERMINATED: "on" };
    const { url, portal: provider, browser } = await startBehind({ change: withoutHeader, environment });
    await journey({ browser, portal: provider }, url);
    const set = browser.answers.flatMap(({ url: at, headers }) =>
      at.startsWith(url) ? (headers["set-cookie"] ?? []) : [],
    );
    expect(set.length).toBeGreaterThan(2);
    for (const line of set) expect(line).toMatch(/^__Host-portal-.*Secure/);
  });

  test("that does not say https is told: proxy_not_trusted", async () => {
    const change = withoutHeader;
    const { url, browser } = await startBehind({ change });
    const { status, body } = await browser.navigate(`${url}/login`);
    expect([status, body]).toEqual([500, expect.stringContaining("proxy_not_trusted")]);
  });

  test("that makes cookies Strict is told: login_cookies_strict", async () => {
    const change = (text: string) =>
      text.replace("proxy_http_version", "proxy_cookie_flags ~ samesite=strict;\n proxy_http_version");
    const { url, browser } = await startBehind({ change });
    await browser.visit(`${url}/account`);
    const page = await browser.visit(`${url}/account`);
    expect([page.status, page.body]).toEqual([400, expect.stringContaining("login_cookies_strict")]);
  });

  test("hands a path on: the app lives below it", async () => {
    const change = (text: string) => text.replace("location / {", "location /shop/ {");
    const { url, portal: provider, browser } = await startBehind({ path: "/shop", change });
    await journey({ browser, portal: provider }, `${url}/shop`);
  });

  test("removes a path: the app does not know it, and all links of both have it", async () => {
    const change = (text: string) =>
      text
        .replace("location / {", "location /shop/ {")
        .replace("http://127.0.0.1:3000;", "http://127.0.0.1:3000/;");
    const { url, portal: provider, browser } = await startBehind({ path: "/shop", base: "", change });
    await journey({ browser, portal: provider }, `${url}/shop`);
    const start = await browser.navigate(`${url}/shop/`);
    expect(start.body).toContain('<a href="login">');
  });
});
