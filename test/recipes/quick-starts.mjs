// npm run quick-starts: follows the README of each recipe in an empty folder, with the packed package. It
// prints the time from `npm install` to the first guarded page. The provider is the test provider of this
// checkout. It is not a test, because the time also depends on this machine and the registry.
import { execFileSync, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { startTestProvider } from "../../dist/testing/index.js";
import { freePort } from "../support/servers/free-port.mjs";
import { noRedis, startRedis } from "../support/servers/redis.mjs";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const RECIPES = join(ROOT, "example-app/recipes");
const GUARDED_PATHS = { "express-4": "/checkout", "single-page": "/api/me" };
const PRELOAD = fileURLToPath(new URL("on-port.mjs", import.meta.url));
/** These need an nginx that runs as root, or a database with tables. recipes.test.ts tests them. */
const SKIPPED = ["nginx", "mysql", "mongodb", ...(noRedis ? ["redis"] : [])];

const home = await mkdtemp(join(tmpdir(), "quick-starts-"));
try {
  execFileSync("npm", ["pack", "--pack-destination", home], { cwd: ROOT, stdio: "ignore" });
  const tarball = join(
    home,
    (await readdir(home)).find((name) => name.endsWith(".tgz")),
  );
  for (const name of (await listRecipes()).filter((folder) => !SKIPPED.includes(folder)))
    console.log(`${name.padEnd(30)} ${(await followRecipe(name, tarball)).toFixed(1)} s`);
} finally {
  await rm(home, { recursive: true, force: true });
}
process.exit();

async function listRecipes() {
  const entries = await readdir(RECIPES, { withFileTypes: true });
  return entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name);
}

/** Returns the seconds from `npm install` to the guarded page of a signed-in user. */
async function followRecipe(name, tarball) {
  const folder = join(home, name);
  await cp(join(RECIPES, name), folder, { recursive: true });
  await rm(join(folder, "package.json")); // a reader starts with an empty folder
  await writeFile(join(folder, "package.json"), '{ "type": "module" }');
  const readme = await readFile(join(folder, "README.md"), "utf8");
  const [, packages] = /npm install ([^#\n]+)/.exec(readme);
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const redis = name === "redis" ? await startRedis({ keep: true }) : undefined;
  const provider = await startTestProvider({
    redirectUris: [`${url}/callback`],
    logoutRedirectUris: [`${url}/`],
  });

  const startedAt = performance.now();
  const dependencies = packages
    .trim()
    .split(/\s+/)
    .map((dependency) => (dependency === "express-portal-auth" ? tarball : dependency));
  // Its README says that these are already installed.
  if (name === "express-4") dependencies.push("express@4", "express-session");
  execFileSync("npm", ["install", "--no-audit", "--no-fund", ...dependencies], {
    cwd: folder,
    stdio: "ignore",
  });
  const variables = {
    ...provider.env,
    PORTAL_REDIRECT_URI: `${url}/callback`,
    SESSION_SECRET: randomBytes(32).toString("hex"),
    ...(redis && { SESSION_STORE_URL: redis.url, TOKEN_ENCRYPTION_KEY: randomBytes(32).toString("hex") }),
  };
  await writeFile(
    join(folder, ".env"),
    Object.entries(variables)
      .map((pair) => pair.join("="))
      .join("\n"),
  );
  const program = name.startsWith("from-") ? "after.mjs" : "app.mjs";
  const app = spawn(process.execPath, ["--env-file=.env", "--import", PRELOAD, program], {
    cwd: folder,
    env: { ...process.env, TEST_PORT: String(port) },
    stdio: ["ignore", "ignore", "inherit"],
  });
  try {
    await waitForApp(url);
    const { cookie } = await provider.signIn(`${url}/login`);
    const page = await fetch(url + (GUARDED_PATHS[name] ?? "/account"), { headers: { cookie } });
    if (page.status !== 200) throw new Error(`${name}: the guarded page responded with ${page.status}`);
    return (performance.now() - startedAt) / 1000;
  } finally {
    app.kill();
    await once(app, "close");
    await provider.close();
    await redis?.stop();
  }
}

async function waitForApp(url) {
  for (let tries = 0; tries < 100; tries += 1) {
    const response = await fetch(url).catch(() => undefined);
    if (response) return;
    await pause(50);
  }
  throw new Error(`the app at ${url} does not respond`);
}
