import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { startTestProvider } from "../../lib/testing/index.js";
import { Browser } from "../support/browser.js";
import { serve } from "../support/serve.js";
import { describeWithPostgres, describeWithRedis } from "../support/servers/describe.js";
import { freePort } from "../support/servers/free-port.mjs";
import { CLIENT, countRefreshes, parseJson, SECRET } from "./start-example.js";

const PROJECT = fileURLToPath(new URL("../..", import.meta.url));

/**
 * Starts the program of `npm start`, with only these variables: the environment of the tests can contain
 * others.
 */
function run(env: Record<string, string>) {
  const child = spawn(process.execPath, ["example-app/dist/main.js"], { cwd: PROJECT, env });
  onTestFinished(() => {
    child.kill("SIGKILL");
  });
  let out = "";
  let err = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    out += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    err += text;
  });
  const ended = once(child, "close").then(([code]) => ({ code: code as number | null, out, err }));
  const ready = () =>
    Promise.race([vi.waitUntil(() => out.includes("Ctrl+C"), { timeout: 15_000 }), ended.then(fail)]);
  const fail = () => Promise.reject(new Error(`the program has ended:\n${out}\n${err}`));
  return { child, ended, ready, printed: () => out };
}

/** Starts the example with its demo provider. */
async function startDemo(env: Record<string, string> = {}) {
  const { PORT = String(await freePort()), DEMO_PORTAL_PORT = String(await freePort()) } = env;
  const demo = run({ ...env, PORT, DEMO_PORTAL_PORT });
  await demo.ready();
  return { ...demo, url: `http://127.0.0.1:${PORT}` };
}

const createProviderEnv = (issuer: string, url: string) => ({
  PORTAL_ISSUER: issuer,
  PORTAL_PROFILE: "tencent-ciam",
  PORTAL_CLIENT_ID: CLIENT.clientId,
  PORTAL_CLIENT_SECRET: CLIENT.clientSecret,
  PORTAL_REDIRECT_URI: `${url}/callback`,
  SESSION_SECRET: SECRET,
});

test("prints the URL of the app and of the inspector, and ends at a signal", async () => {
  const example = await startDemo();
  const { url } = example;
  const [appUrl, inspectorLink = "", ...others] = example.printed().match(/https?:\S+/g) ?? [];
  expect([appUrl, others]).toEqual([`${url}/`, []]);
  expect(inspectorLink).toMatch(/\/portal-inspector\/\?token=[\w-]{32}$/);
  const browser = new Browser();
  expect((await browser.navigate(inspectorLink)).body).toContain("<title>Portal inspector</title>");
  const account = await browser.visit(`${url}/account`);
  expect(account.body).toContain("Amara Okafor");
  expect((await browser.fetch(`${url}/style.css`)).status).toBe(200);
  example.child.kill("SIGTERM");
  const { code, err } = await example.ended;
  expect([code, err.replace(/^\[express-portal-auth\].*\n/gm, "")]).toEqual([0, ""]);
});

/** Starts another server, and returns its port. */
const takePort = async (): Promise<string> => new URL(await serve(() => {})).port;

test("a port in use is reported with the variable that changes it, and the program ends", async () => {
  const taken = await takePort();
  const free = await freePort();
  const app = await run({ PORT: String(taken), DEMO_PORTAL_PORT: String(free) }).ended;
  expect([app.code, app.out]).toEqual([1, ""]);
  expect(app.err.trim()).toMatch(new RegExp(`^Port ${taken} is in use\\. .*: PORT=\\d+ npm start$`));
  const provider = await run({ PORT: String(free), DEMO_PORTAL_PORT: String(taken) }).ended;
  expect([provider.code, provider.out]).toEqual([1, ""]);
  expect(provider.err.trim()).toMatch(
    new RegExp(`^Port ${taken} is in use\\. .*: DEMO_PORTAL_PORT=\\d+ npm start$`),
  );
});

test("two ports in use are reported together", async () => {
  const one = await takePort();
  const two = await takePort();
  const { code, err } = await run({ PORT: String(one), DEMO_PORTAL_PORT: String(two) }).ended;
  expect(code).toBe(1);
  expect(err).toContain(`Port ${one} is in use. Port ${two} is in use.`);
  expect(err).toMatch(/PORT=\d+ DEMO_PORTAL_PORT=\d+ npm start/);
});

test.each([
  [{ PORT: "text" }, "PORT must be a number from 1 to 65535."],
  [{ PORT: "3001", DEMO_PORTAL_PORT: "3001" }, "PORT and DEMO_PORTAL_PORT must be two different ports."],
])("invalid ports are reported: %o", async (env, line) => {
  const { code, err } = await run(env).ended;
  expect([code, err.trim()]).toEqual([1, line]);
});

test("incomplete settings of your own provider are reported by variable, without a stack", async () => {
  const { code, out, err } = await run({ PORTAL_CLIENT_ID: "mine", PORTAL_CLIENTSECRET: "typo" }).ended;
  expect([code, out]).toEqual([1, ""]);
  for (const name of ["PORTAL_ISSUER", "PORTAL_REDIRECT_URI", "SESSION_SECRET", "PORTAL_CLIENT_SECRET"])
    expect(err).toContain(name);
  expect(err).toContain("PORTAL_CLIENTSECRET is not a variable");
  expect(err).not.toMatch(/^\s+at /m);
});

test("with PORTAL_ variables the example uses that provider", async () => {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const provider = await startTestProvider({
    ...CLIENT,
    redirectUris: [`${url}/callback`],
    logoutRedirectUris: [`${url}/`],
  });
  onTestFinished(() => provider.close());
  const example = run({ PORT: String(port), ...createProviderEnv(provider.issuer, url) });
  await example.ready();
  expect(example.printed()).toContain(`Open ${url}/`);
  expect((await new Browser().visit(`${url}/account`)).body).toContain("Amara Okafor");
  expect(provider.requests.some(({ path }) => path === "/oauth2/token")).toBe(true);
});

test("DEMO_TOKEN_SECONDS sets the lifetime of the access tokens", async () => {
  const { url } = await startDemo({ DEMO_TOKEN_SECONDS: "7" });
  const browser = new Browser();
  await browser.visit(`${url}/account`);
  const { lifetimes } = parseJson(await browser.fetch(`${url}/api/me`));
  expect(lifetimes.access_token.total_seconds).toBeLessThanOrEqual(7);
  const { code, err } = await run({ DEMO_TOKEN_SECONDS: "soon" }).ended;
  expect([code, err.trim()]).toEqual([1, "DEMO_TOKEN_SECONDS must be a number from 1 to 86400."]);
});

describe("a session store", () => {
  const PASSWORD = "a-password-that-must-not-be-printed";

  test.each([
    ["Redis", "redis"],
    ["PostgreSQL", "postgres"],
  ])("an unreachable %s server is reported in one line, and sign-in gets 503", async (_server, scheme) => {
    const place = `${scheme}://127.0.0.1:${await freePort()}/3`;
    const storeUrl = place.replace("//", `//app:${PASSWORD}@`);
    const demo = await startDemo({ SESSION_STORE_URL: `${storeUrl}?sslpassword=${PASSWORD}` });
    expect(
      demo
        .printed()
        .split("\n")
        .filter((line) => line.includes(scheme)),
    ).toEqual([
      `  Sessions are stored at ${place}. It is unreachable (ECONNREFUSED): sign-in gets 503 until then.`,
    ]);
    const browser = new Browser();
    expect((await browser.visit(`${demo.url}/`)).status).toBe(200);
    expect((await browser.visit(`${demo.url}/account`)).status).toBe(503);
    demo.child.kill("SIGTERM");
    const { code, out, err } = await demo.ended;
    expect(code).toBe(0);
    expect(out + err).not.toContain(PASSWORD);
  });

  describeWithRedis("Redis", (redis) => {
    testRestart(() => `${redis().url}/1`);

    test("two processes count the refreshes of one session together", async () => {
      const port = await freePort();
      const otherPort = await freePort();
      const url = `http://127.0.0.1:${port}`;
      const provider = await startTestProvider({
        ...CLIENT,
        redirectUris: [`${url}/callback`],
        accessTokenSeconds: 6,
      });
      onTestFinished(() => provider.close());
      const settings = { ...createProviderEnv(provider.issuer, url), SESSION_STORE_URL: `${redis().url}/2` };
      await Promise.all([
        run({ ...settings, PORT: `${port}` }).ready(),
        run({ ...settings, PORT: `${otherPort}` }).ready(),
      ]);

      const browser = new Browser();
      await browser.visit(`${url}/account`);
      // Half of its lifetime: then it is refreshed before use.
      await new Promise((resolve) => setTimeout(resolve, 3000));
      const calls = Array.from({ length: 20 }, (_, index) => (index % 2 ? port : otherPort));
      const responses = await Promise.all(
        calls.map(async (to) => parseJson(await browser.fetch(`http://127.0.0.1:${to}/api/token-check`))),
      );
      expect(new Set(responses.map(({ token_set }) => token_set))).toEqual(new Set([2]));
      expect(Math.min(...responses.map(({ token_set_before }) => token_set_before))).toBe(1);
      expect(countRefreshes(provider)).toBe(1);
    });
  });

  describeWithPostgres("PostgreSQL", (postgres) => testRestart(() => postgres().url));

  function testRestart(getStoreUrl: () => string): void {
    test("users stay signed in after a restart of the demo if SESSION_SECRET is set", async () => {
      const ports = { PORT: String(await freePort()), DEMO_PORTAL_PORT: String(await freePort()) };
      const store = { SESSION_STORE_URL: getStoreUrl(), ...ports };
      const place = getStoreUrl().replace(/\/\/.*@/, "//");
      const browser = new Browser();

      const withoutSecret = await startDemo(store);
      expect(withoutSecret.printed()).toContain(
        `Sessions are stored at ${place}. ` +
          "Set SESSION_SECRET too, or the next start signs all users out.",
      );
      withoutSecret.child.kill("SIGTERM");
      expect((await withoutSecret.ended).code).toBe(0);

      const before = await startDemo({ ...store, SESSION_SECRET: SECRET });
      expect(before.printed()).toContain(`Sessions are stored at ${place}.\n`);
      await browser.visit(`${before.url}/account`);
      before.child.kill("SIGTERM");
      expect((await before.ended).code).toBe(0);

      const after = await startDemo({ ...store, SESSION_SECRET: SECRET });
      const account = await browser.navigate(`${after.url}/account`);
      expect([account.status, account.body.includes("<h1>Amara Okafor</h1>")]).toEqual([200, true]);
    });
  }
});
