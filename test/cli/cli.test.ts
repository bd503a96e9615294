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

const createEnv = () => ({
  PORTAL_ISSUER: provider.issuer,
  PORTAL_PROFILE: "tencent-ciam",
  PORTAL_CLIENT_ID: "app",
  PORTAL_CLIENT_SECRET: CLIENT_SECRET,
  PORTAL_REDIRECT_URI: "http://127.0.0.1:3000/callback",
  SESSION_SECRET: SECRET,
});

/** Runs the built command in a new process, and checks that its output contains no secret and no stack. */
function run(args: string[], env: Record<string, string> = {}) {
  const result = new Promise<{ code: number; stdout: string; stderr: string }>((resolve) => {
    execFile(process.execPath, [MAIN, ...args], { env, cwd: folder }, (error, stdout, stderr) =>
      resolve({ code: error ? Number(error.code) : 0, stdout, stderr }),
    );
  });
  return result.then((output) => {
    const all = output.stdout + output.stderr;
    for (const secret of [SECRET, CLIENT_SECRET]) expect(all).not.toContain(secret);
    expect(all).not.toMatch(/^\s+at .+:\d+:\d+/m); // a line of a stack
    return output;
  });
}

describe("doctor", () => {
  test("exits with 0 if sign-in should work, and prints a line for each check", async () => {
    const { code, stdout, stderr } = await run(["doctor"], createEnv());
    expect([code, stderr]).toEqual([0, ""]);
    expect(stdout).toContain(
      "\nCredentials\n  ✓ the provider accepts client id and secret  invalid_grant to a made-up code\n",
    );
    expect(stdout.trimEnd()).toMatch(/Sign-in should work\. Review 2 warnings\.$/);
  });

  test("exits with 1 if sign-in cannot work, and prints what to do first", async () => {
    const { code, stdout } = await run(["doctor"], { ...createEnv(), PORTAL_CLIENT_ID: "another" });
    expect(code).toBe(1);
    expect(stdout).toMatch(/✗ the provider does not know the client id .*\n {6}compare PORTAL_CLIENT_ID/);
    expect(stdout.trimEnd()).toMatch(/Sign-in cannot work yet\. First: compare PORTAL_CLIENT_ID.*$/);
  });

  test("reads an env file with a byte order mark and CRLF line ends, as Windows saves it", async () => {
    const file = join(folder, "windows.env");
    const lines = Object.entries(createEnv()).map(([name, value]) => `${name}=${value}\r\n`);
    await writeFile(file, `\uFEFF${lines.join("")}`);
    const { code, stdout } = await run(["doctor", "--env-file", file]);
    expect([code, stdout.includes("Sign-in should work.")]).toEqual([0, true]);
  });

  test("a later env file wins over an earlier one, and the environment over both", async () => {
    const first = join(folder, "first.env");
    const second = join(folder, "second.env");
    const { PORTAL_CLIENT_ID: _, ...rest } = createEnv();
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

  test("prints one JSON document with --json", async () => {
    const { code, stdout } = await run(["doctor", "--json"], {});
    expect(code).toBe(1);
    const { ok, checks, configuration } = JSON.parse(stdout);
    expect([ok, configuration]).toEqual([false, undefined]);
    expect(checks).toContainEqual(expect.objectContaining({ id: "options.issuer", verdict: "failed" }));
  });

  test("prints the configuration as a table, with only the length of a secret", async () => {
    const { stdout } = await run(["doctor", "--explain"], createEnv());
    expect(stdout).toMatch(/^ {2}issuer +PORTAL_ISSUER +variable +http:\/\/127\.0\.0\.1:\d+$/m);
    expect(stdout).toMatch(/^ {2}secret +SESSION_SECRET +variable +set, 43 characters$/m);
    expect(stdout).toMatch(/^ {2}nonce +PORTAL_NONCE +profile +optional$/m);
  });

  test("prints colours to a file only with --color", async () => {
    expect((await run(["doctor"], createEnv())).stdout).not.toContain("\u001b[");
    expect((await run(["doctor", "--color"], createEnv())).stdout).toContain("\u001b[32m");
    expect((await run(["doctor", "--no-color"], { ...createEnv(), FORCE_COLOR: "1" })).stdout).not.toContain(
      "\u001b[",
    );
  });

  test("removes control characters of variables from the output", async () => {
    const { stdout } = await run(["doctor"], { ...createEnv(), PORTAL_CLIENT_ID: "a\u001b[31mb\u0007" });
    // biome-ignore lint/suspicious/noControlCharactersInRegex: the test looks for control characters
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

  test("suggests similar codes for an unknown code", async () => {
    const { code, stderr } = await run(["explain", "login_cookie_missing"]);
    expect(code).toBe(2);
    expect(stderr).toContain("Did you mean");
    expect(stderr).toContain("login_cookie_lost");
  });
});

describe("command line", () => {
  test.each([[["fly"]], [["doctor", "--fast"]], [["explain"]], [["toString"]]])(
    "exits with 2 and prints the usage for invalid arguments: %j",
    async (args) => {
      const { code, stdout, stderr } = await run(args);
      expect([code, stdout]).toEqual([2, ""]);
      expect(stderr).toContain("Usage: express-portal-auth <command>");
    },
  );

  test("a missing env file is reported", async () => {
    const { code, stderr } = await run(["doctor", "--env-file", "nowhere.env"]);
    // The code is 2, or that of Node 20, which reads the option --env-file of a script itself.
    expect(code).toBeGreaterThan(1);
    expect(stderr).toContain("nowhere.env");
  });

  test("prints the help and the version", async () => {
    expect((await run([])).stdout).toContain("Usage:");
    expect((await run(["--version"])).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  });
});
