import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { startTestProvider } from "../../lib/testing/index.js";
import { Browser } from "../support/browser.js";
import { serve } from "../support/serve.js";
import { describeWithPostgres, describeWithRedis } from "../support/servers/describe.js";
import { freePort } from "../support/servers/free-port.mjs";
import { CLIENT, json, refreshesAt, SECRET } from "./start-example.js";

const PROJECT = fileURLToPath(new URL("../..", import.meta.url));

/** What `npm start` runs. Only what is named here reaches it: whoever runs the tests may have a portal of their own set. */
function run(env: Record<string, string>) {
  const child = spawn(process.execPath, ["example-app/dist/main.js"], { cwd: PROJECT, env });
  onTestFinished(() => void child.kill("SIGKILL"));
  let [out, err] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    out += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    err += text;
  });
  const ended = once(child, "close").then(([code]) => ({ code: code as number | null, out, err }));
  const ready = () =>
    Promise.race([vi.waitUntil(() => out.includes("Ctrl+C"), { timeout: 15_000 }), ended.then(fail)]);
  const fail = () => Promise.reject(new Error(`it has ended:\n${out}\n${err}`));
  return { child, ended, ready, printed: () => out };
}

/** With the portal that it brings. */
async function startDemo(env: Record<string, string> = {}) {
  const { PORT = String(await freePort()), DEMO_PORTAL_PORT = String(await freePort()) } = env;
  const demo = run({ ...env, PORT, DEMO_PORTAL_PORT });
  await demo.ready();
  return { ...demo, url: `http://127.0.0.1:${PORT}` };
}

const ownPortal = (issuer: string, url: string) => ({
  PORTAL_ISSUER: issuer,
  PORTAL_PROFILE: "tencent-ciam",
  PORTAL_CLIENT_ID: CLIENT.clientId,
  PORTAL_CLIENT_SECRET: CLIENT.clientSecret,
  PORTAL_REDIRECT_URI: `${url}/callback`,
  SESSION_SECRET: SECRET,
});

test("prints its address, where a user can sign in, and that of the inspector; and ends at a signal", async () => {
  const example = await startDemo();
  const { url } = example;
  const [address, inspector = "", ...more] = example.printed().match(/https?:\S+/g) ?? [];
  expect([address, more]).toEqual([`${url}/`, []]);
  expect(inspector).toMatch(/\/portal-inspector\/\?token=[\w-]{32}$/);
  const browser = new Browser();
  expect((await browser.navigate(inspector)).body).toContain("<title>Portal inspector</title>");
  const end = await browser.visit(`${url}/account`);
  expect(end.body).toContain("Amara Okafor");
  expect((await browser.fetch(`${url}/style.css`)).status).toBe(200);
  example.child.kill("SIGTERM");
  const { code, err } = await example.ended;
  expect([code, err.replace(/^\[express-portal-auth\].*\n/gm, "")]).toEqual([0, ""]);
});

/** Starts another server, and returns its port. */
const takePort = async (): Promise<string> => new URL(await serve(() => {})).port;

test("a port in use is told in one line with the variable that changes it, and nothing is left running", async () => {
  const taken = await takePort();
  const free = await freePort();
  const app = await run({ PORT: String(taken), DEMO_PORTAL_PORT: String(free) }).ended;
  expect([app.code, app.out]).toEqual([1, ""]);
  expect(app.err.trim()).toMatch(new RegExp(`^Port ${taken} is in use\\. .*: PORT=\\d+ npm start$`));
  const portal = await run({ PORT: String(free), DEMO_PORTAL_PORT: String(taken) }).ended;
  expect([portal.code, portal.out]).toEqual([1, ""]);
  expect(portal.err.trim()).toMatch(
    new RegExp(`^Port ${taken} is in use\\. .*: DEMO_PORTAL_PORT=\\d+ npm start$`),
  );
});

test("when both ports are in use, both are named at once", async () => {
  const one = await takePort();
  const two = await takePort();
  const { code, err } = await run({ PORT: String(one), DEMO_PORTAL_PORT: String(two) }).ended;
  expect(code).toBe(1);
  expect(err).toContain(`Port ${one} is in use. Port ${two} is in use.`);
  expect(err).toMatch(/PORT=\d+ DEMO_PORTAL_PORT=\d+ npm start/);
});

test.each([
  [{ PORT: "door" }, "PORT must be a number from 1 to 65535."],
  [{ PORT: "3001", DEMO_PORTAL_PORT: "3001" }, "PORT and DEMO_PORTAL_PORT must be two different ports."],
])("ports that make no sense (%o) are told", async (env, line) => {
  const { code, err } = await run(env).ended;
  expect([code, err.trim()]).toEqual([1, line]);
});

test("a portal of one's own that is not fully set up is told by variable, without a stack", async () => {
  const { code, out, err } = await run({ PORTAL_CLIENT_ID: "mine", PORTAL_CLIENTSECRET: "typo" }).ended;
  expect([code, out]).toEqual([1, ""]);
  for (const name of ["PORTAL_ISSUER", "PORTAL_REDIRECT_URI", "SESSION_SECRET", "PORTAL_CLIENT_SECRET"])
    expect(err).toContain(name);
  expect(err).toContain("PORTAL_CLIENTSECRET is not a variable");
  expect(err).not.toMatch(/^\s+at /m);
});

test("with PORTAL_ variables it uses that portal, and prints where people come in", async () => {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const provider = await startTestProvider({
    ...CLIENT,
    redirectUris: [`${url}/callback`],
    logoutRedirectUris: [`${url}/`],
  });
  onTestFinished(() => provider.close());
  const example = run({ PORT: String(port), ...ownPortal(provider.issuer, url) });
  await example.ready();
  expect(example.printed()).toContain(`Open ${url}/`);
  expect((await new Browser().visit(`${url}/account`)).body).toContain("Amara Okafor");
  expect(provider.requests.some(({ path }) => path === "/oauth2/token")).toBe(true);
});

test("an access token of the demo lives as long as DEMO_TOKEN_SECONDS says", async () => {
  const { url } = await startDemo({ DEMO_TOKEN_SECONDS: "7" });
  const browser = new Browser();
  await browser.visit(`${url}/account`);
  const { lives } = json(await browser.fetch(`${url}/api/me`));
  expect(lives.access_token.seconds_in_all).toBeLessThanOrEqual(7);
  const { code, err } = await run({ DEMO_TOKEN_SECONDS: "soon" }).ended;
  expect([code, err.trim()]).toEqual([1, "DEMO_TOKEN_SECONDS must be a number from 1 to 86400."]);
});

describe("a session store", () => {
  const PASSWORD = "a-password-that-nobody-may-see";

  test.each([
    ["Redis", "redis"],
    ["PostgreSQL", "postgres"],
  ])(
    "%s that is down is told in one line; the demo starts, and signing in answers 503",
    async (_name, scheme) => {
      const place = `${scheme}://127.0.0.1:${await freePort()}/3`;
      const address = place.replace("//", `//somebody:${PASSWORD}@`);
      const demo = await startDemo({ SESSION_STORE_URL: `${address}?sslpassword=${PASSWORD}` });
      expect(
        demo
          .printed()
          .split("\n")
          .filter((line) => line.includes(scheme)),
      ).toEqual([
        `  Sessions shall be kept at ${place}, which cannot be reached (ECONNREFUSED): signing in answers 503 until it can.`,
      ]);
      const browser = new Browser();
      expect((await browser.visit(`${demo.url}/`)).status).toBe(200);
      expect((await browser.visit(`${demo.url}/account`)).status).toBe(503);
      demo.child.kill("SIGTERM");
      const { code, out, err } = await demo.ended;
      expect(code).toBe(0);
      expect(out + err).not.toContain(PASSWORD);
    },
  );

  describeWithRedis("Redis", (redis) => {
    survivesRestart(() => `${redis().url}/1`);

    test("two processes count the refreshes of one session together", async () => {
      const [port, other] = [await freePort(), await freePort()];
      const url = `http://127.0.0.1:${port}`;
      const provider = await startTestProvider({
        ...CLIENT,
        redirectUris: [`${url}/callback`],
        accessTokenSeconds: 6,
      });
      onTestFinished(() => provider.close());
      const settings = { ...ownPortal(provider.issuer, url), SESSION_STORE_URL: `${redis().url}/2` };
      await Promise.all([
        run({ ...settings, PORT: `${port}` }).ready(),
        run({ ...settings, PORT: `${other}` }).ready(),
      ]);

      const browser = new Browser();
      await browser.visit(`${url}/account`);
      await new Promise((resolve) => setTimeout(resolve, 3000)); // half its life: then it is no longer given away
      const calls = Array.from({ length: 20 }, (_, index) => (index % 2 ? port : other));
      const answers = await Promise.all(
        calls.map(async (to) => json(await browser.fetch(`http://127.0.0.1:${to}/api/token-check`))),
      );
      expect(new Set(answers.map(({ token_set }) => token_set))).toEqual(new Set([2]));
      expect(Math.min(...answers.map(({ found_set }) => found_set))).toBe(1);
      expect(refreshesAt(provider)).toBe(1);
    });
  });

  describeWithPostgres("PostgreSQL", (postgres) => survivesRestart(() => postgres().url));

  function survivesRestart(address: () => string): void {
    test("keeps who is signed in when the demo restarts, and says what that takes", async () => {
      const ports = { PORT: String(await freePort()), DEMO_PORTAL_PORT: String(await freePort()) };
      const store = { SESSION_STORE_URL: address(), ...ports };
      const place = address().replace(/\/\/.*@/, "//");
      const browser = new Browser();

      const forgetful = await startDemo(store);
      expect(forgetful.printed()).toContain(
        `Sessions go to ${place}. Set SESSION_SECRET too, or the next start signs everybody out.`,
      );
      forgetful.child.kill("SIGTERM");
      expect((await forgetful.ended).code).toBe(0);

      const before = await startDemo({ ...store, SESSION_SECRET: SECRET });
      expect(before.printed()).toContain(`Sessions go to ${place}.\n`);
      await browser.visit(`${before.url}/account`);
      before.child.kill("SIGTERM");
      expect((await before.ended).code).toBe(0);

      const after = await startDemo({ ...store, SESSION_SECRET: SECRET });
      const account = await browser.navigate(`${after.url}/account`);
      expect([account.status, account.body.includes("<h1>Amara Okafor</h1>")]).toEqual([200, true]);
    });
  }
});
