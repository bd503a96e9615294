// npm run quick-starts: follows each recipe in an empty folder, with nothing but the packed package and what its README
// says, and tells how long it takes from `npm install` to the first guarded page. The portal is a test portal of this
// checkout; the person is a program. Not a test: it says how fast this machine and its registry are as well.
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
const GUARDED = { "express-4": "/checkout", "single-page": "/api/me" };
const PRELOAD = fileURLToPath(new URL("on-port.mjs", import.meta.url));
/** They need an nginx that runs as root, or a database with tables: test/recipes/recipes.test.ts starts its own ones. */
const NOT_FOLLOWED = ["nginx", "mysql", "mongodb", ...(noRedis ? ["redis"] : [])];

const home = await mkdtemp(join(tmpdir(), "quick-starts-"));
try {
  execFileSync("npm", ["pack", "--pack-destination", home], { cwd: ROOT, stdio: "ignore" });
  const tarball = join(
    home,
    (await readdir(home)).find((name) => name.endsWith(".tgz")),
  );
  for (const name of (await folders()).filter((one) => !NOT_FOLLOWED.includes(one)))
    console.log(`${name.padEnd(30)} ${(await follow(name, tarball)).toFixed(1)} s`);
} finally {
  await rm(home, { recursive: true, force: true });
}
process.exit();

async function folders() {
  const all = await readdir(RECIPES, { withFileTypes: true });
  return all.filter((one) => one.isDirectory()).map((one) => one.name);
}

/** Seconds from `npm install` to the guarded page of somebody who has logged in. */
async function follow(name, tarball) {
  const folder = join(home, name);
  await cp(join(RECIPES, name), folder, { recursive: true });
  await rm(join(folder, "package.json")); // an empty folder is what a reader begins with
  await writeFile(join(folder, "package.json"), '{ "type": "module" }');
  const readme = await readFile(join(folder, "README.md"), "utf8");
  const [, packages] = /npm install ([^#\n]+)/.exec(readme);
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const redis = name === "redis" ? await startRedis({ keep: true }) : undefined;
  const portal = await startTestProvider({
    redirectUris: [`${url}/callback`],
    logoutRedirectUris: [`${url}/`],
  });

  const began = performance.now();
  const wanted = packages
    .trim()
    .split(/\s+/)
    .map((one) => (one === "express-portal-auth" ? tarball : one));
  if (name === "express-4") wanted.push("express@4", "express-session"); // which are there already, it says
  execFileSync("npm", ["install", "--no-audit", "--no-fund", ...wanted], { cwd: folder, stdio: "ignore" });
  const variables = {
    ...portal.env,
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
    await answering(url);
    const { cookie } = await portal.signIn(`${url}/login`);
    const page = await fetch(url + (GUARDED[name] ?? "/account"), { headers: { cookie } });
    if (page.status !== 200) throw new Error(`${name}: the guarded page answered ${page.status}`);
    return (performance.now() - began) / 1000;
  } finally {
    app.kill();
    await once(app, "close");
    await portal.close();
    await redis?.stop();
  }
}

async function answering(url) {
  for (let tries = 0; tries < 100; tries += 1) {
    if (
      await fetch(url).then(
        () => true,
        () => false,
      )
    )
      return;
    await pause(50);
  }
  throw new Error(`nobody answers at ${url}`);
}
