import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { errorDefinitions } from "../../lib/errors/error-codes.js";
import { findErrorExplanation, findErrorSection } from "../../lib/errors/error-reference.js";
import { type LocalProvider, startLocalProvider } from "../../lib/testing/provider/local-provider.js";

const MAIN = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));
const SECRET = randomBytes(32).toString("base64url");
const CLIENT_SECRET = randomBytes(24).toString("base64url");

let provider: LocalProvider;
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "cli-"));
  provider = await startLocalProvider({
    clientId: "app",
    clientSecret: CLIENT_SECRET,
    redirectUris: ["http://127.0.0.1:3000/callback"],
    logoutRedirectUris: [],
  });
});
afterAll(() => Promise.all([provider.close(), rm(folder, { recursive: true })]));

const good = () => ({
  PORTAL_ISSUER: provider.issuer,
  PORTAL_PROFILE: "tencent-ciam",
  PORTAL_CLIENT_ID: "app",
  PORTAL_CLIENT_SECRET: CLIENT_SECRET,
  PORTAL_REDIRECT_URI: "http://127.0.0.1:3000/callback",
  SESSION_SECRET: SECRET,
});

/** The built command, as a shell runs it; whatever it prints is looked through for secrets. */
function run(args: string[], env: Record<string, string> = {}) {
  const ran = new Promise<{ code: number; stdout: string; stderr: string }>((resolve) => {
    execFile(process.execPath, [MAIN, ...args], { env, cwd: folder }, (error, stdout, stderr) =>
      resolve({ code: error ? Number(error.code) : 0, stdout, stderr }),
    );
  });
  return ran.then((printed) => {
    const all = printed.stdout + printed.stderr;
    for (const secret of [SECRET, CLIENT_SECRET]) expect(all).not.toContain(secret);
    expect(all).not.toMatch(/^\s+at .+:\d+:\d+/m); // a stack
    return printed;
  });
}

describe("doctor", () => {
  test("ends with 0 when a login can work, each check on a line", async () => {
    const { code, stdout, stderr } = await run(["doctor"], good());
    expect([code, stderr]).toEqual([0, ""]);
    expect(stdout).toContain(
      "\nCredentials\n  ✓ the portal takes client id and secret  invalid_grant to a made-up code\n",
    );
    expect(stdout.trimEnd()).toMatch(/A login can work\. 2 warnings are to be looked at\.$/);
  });

  test("ends with 1 when none can, and says what to do first", async () => {
    const { code, stdout } = await run(["doctor"], { ...good(), PORTAL_CLIENT_ID: "another" });
    expect(code).toBe(1);
    expect(stdout).toMatch(/✗ the portal does not know the client id .*\n {6}compare PORTAL_CLIENT_ID/);
    expect(stdout.trimEnd()).toMatch(/No login can work yet\. First: compare PORTAL_CLIENT_ID.*$/);
  });

  test("reads a file of variables that Windows has saved: with a byte order mark and CRs", async () => {
    const file = join(folder, "windows.env");
    const lines = Object.entries(good()).map(([name, value]) => `${name}=${value}\r\n`);
    await writeFile(file, `\uFEFF${lines.join("")}`);
    const { code, stdout } = await run(["doctor", "--env-file", file]);
    expect([code, stdout.includes("A login can work.")]).toEqual([0, true]);
  });

  test("reads files of variables: the later wins over the earlier, and a real variable over both", async () => {
    const [first, second] = [join(folder, "first.env"), join(folder, "second.env")];
    const { PORTAL_CLIENT_ID: _, ...rest } = good();
    const lines = Object.entries(rest).map(([name, value]) => `${name}=${value}`);
    await writeFile(first, [...lines, "PORTAL_CLIENT_ID=wrong", "PORTAL_HTTP_TIMEOUT=3"].join("\n"));
    await writeFile(second, "PORTAL_CLIENT_ID=app\nPORTAL_HTTP_TIMEOUT=4\n");
    const args = ["doctor", "--env-file", first, "--env-file", second, "--json", "--explain"];
    const { code, stdout } = await run(args, { PORTAL_HTTP_TIMEOUT: "5" });
    expect(code).toBe(0);
    const { configuration } = JSON.parse(stdout);
    expect(configuration).toContainEqual({
      option: "httpTimeout",
      variable: "PORTAL_HTTP_TIMEOUT",
      value: "5",
      origin: "variable",
    });
    expect(configuration).toContainEqual(expect.objectContaining({ option: "clientId", value: "app" }));
  });

  test("prints one JSON document for machines", async () => {
    const { code, stdout } = await run(["doctor", "--json"], {});
    expect(code).toBe(1);
    const { ok, checks, configuration } = JSON.parse(stdout);
    expect([ok, configuration]).toEqual([false, undefined]);
    expect(checks).toContainEqual(expect.objectContaining({ id: "options.issuer", verdict: "failed" }));
  });

  test("explains the configuration as a table, secrets by their length", async () => {
    const { stdout } = await run(["doctor", "--explain"], good());
    expect(stdout).toMatch(/^ {2}issuer +PORTAL_ISSUER +variable +http:\/\/127\.0\.0\.1:\d+$/m);
    expect(stdout).toMatch(/^ {2}secret +SESSION_SECRET +variable +set, 43 characters$/m);
    expect(stdout).toMatch(/^ {2}nonce +PORTAL_NONCE +profile +optional$/m);
  });

  test("colours nothing that goes to a file, and what it is told to", async () => {
    expect((await run(["doctor"], good())).stdout).not.toContain("\u001b[");
    expect((await run(["doctor", "--color"], good())).stdout).toContain("\u001b[32m");
    expect((await run(["doctor", "--no-color"], { ...good(), FORCE_COLOR: "1" })).stdout).not.toContain(
      "\u001b[",
    );
  });

  test("lets nothing through to a terminal that a variable may hold", async () => {
    const { stdout } = await run(["doctor"], { ...good(), PORTAL_CLIENT_ID: "a\u001b[31mb\u0007" });
    // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what this is about
    expect(stdout).not.toMatch(/[\u0000-\u0009\u000b-\u001f]/);
  });
});

describe("explain", () => {
  test.each(["options_invalid", "login_cookies_strict", "unexpected"])(
    "prints the section of %s",
    async (code) => {
      const { stdout } = await run(["explain", code]);
      expect(stdout).toBe(`${findErrorSection(code)}\n`);
    },
  );

  test("has a section for every code", () => {
    for (const code of Object.keys(errorDefinitions)) {
      expect(findErrorSection(code)?.startsWith(`${code}\n`)).toBe(true);
      const { happened = "", causes = [] } = findErrorExplanation(code) ?? {};
      expect([happened.length > 20, causes.length > 0]).toEqual([true, true]);
    }
    expect(findErrorSection("toString")).toBeUndefined();
  });

  test("names the near ones for a code that does not exist", async () => {
    const { code, stderr } = await run(["explain", "login_cookie_missing"]);
    expect(code).toBe(2);
    expect(stderr).toContain("Did you mean");
    expect(stderr).toContain("login_cookie_lost");
  });
});

describe("what is not understood", () => {
  test.each([[["fly"]], [["doctor", "--fast"]], [["explain"]], [["toString"]]])(
    "ends with 2 and the usage: %j",
    async (args) => {
      const { code, stdout, stderr } = await run(args);
      expect([code, stdout]).toEqual([2, ""]);
      expect(stderr).toContain("Usage: express-portal-auth <command>");
    },
  );

  test("a file of variables that is not there is told", async () => {
    const { code, stderr } = await run(["doctor", "--env-file", "nowhere.env"]);
    expect(code).toBeGreaterThan(1); // by us, or by Node 20, which reads its own option wherever it stands
    expect(stderr).toContain("nowhere.env");
  });

  test("help and version are there", async () => {
    expect((await run([])).stdout).toContain("Usage:");
    expect((await run(["--version"])).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  });
});
