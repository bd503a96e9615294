import { randomBytes } from "node:crypto";
import { cp, mkdir, mkdtemp, readFile, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";
import { startTestProvider, type TestProvider } from "../../lib/testing/index.js";
import { cleanEnvironment } from "../package/run.js";
import { Browser } from "../support/browser.js";
import { freePort } from "../support/servers/free-port.mjs";
import { launch } from "../support/servers/launch.mjs";

export const ROOT = fileURLToPath(new URL("../..", import.meta.url));
export const RECIPES = join(ROOT, "example-app/recipes");

export interface RecipeSettings {
  /** Packages to use instead of those in the recipe's package.json, e.g. `{ express: "express4" }`. */
  packages?: Record<string, string>;
  environment?: Record<string, string>;
  /** The origin that browsers see, if there is a proxy in front of the app. */
  publicOrigin?: string;
  /** The path of PORTAL_REDIRECT_URI. */
  callback?: string;
  provider?: TestProvider;
  port?: number;
  program?: string;
}

export interface Recipe {
  readonly url: string;
  readonly port: number;
  readonly provider: TestProvider;
  readonly browser: Browser;
  /** Sends SIGTERM, as a platform does, and waits for the exit. */
  stop(): Promise<void>;
}

/**
 * Copies a recipe out of the repository with its packages, as a reader would, and starts it in a new process.
 */
export async function startRecipe(name: string, settings: RecipeSettings = {}): Promise<Recipe> {
  const folder = await copyRecipe(name, settings.packages);
  const port = settings.port ?? (await freePort());
  const url = `http://127.0.0.1:${port}`;
  const redirectUri = `${settings.publicOrigin ?? url}${settings.callback ?? "/callback"}`;
  const provider = settings.provider ?? (await startProviderFor(redirectUri));
  const env = cleanEnvironment({
    ...provider.env,
    PORTAL_REDIRECT_URI: redirectUri,
    SESSION_SECRET: SECRET,
    TEST_PORT: String(port),
    ...settings.environment,
  });
  const preload = fileURLToPath(new URL("on-port.mjs", import.meta.url));
  const running = await launch(process.execPath, ["--import", preload, settings.program ?? "app.mjs"], {
    cwd: folder,
    env,
    ready: /listening/,
    end: (pid: number) => {
      process.kill(pid, "SIGKILL");
    },
  });
  const stop = async () => {
    if (running.runs()) process.kill(running.pid as number, "SIGTERM");
    await running.exited;
  };
  onTestFinished(stop);
  return { url, port, provider, browser: new Browser(), stop };
}

const SECRET = randomBytes(32).toString("hex");

/** Starts a provider where this redirect URI is registered, and closes it at the end of the test. */
export async function startProviderFor(redirectUri: string): Promise<TestProvider> {
  const origin = new URL("/", redirectUri).href;
  const provider = await startTestProvider({ redirectUris: [redirectUri], logoutRedirectUris: [origin] });
  onTestFinished(() => provider.close());
  return provider;
}

/** Copies a recipe to a new folder, and links its packages there. */
export async function copyRecipe(name: string, renamed: Record<string, string> = {}): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "portal-auth-recipe-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  await cp(join(RECIPES, name), folder, { recursive: true });
  const { dependencies } = JSON.parse(await readFile(join(folder, "package.json"), "utf8"));
  for (const dependency of Object.keys(dependencies)) {
    const place = join(folder, "node_modules", dependency);
    await mkdir(dirname(place), { recursive: true });
    const from =
      dependency === "express-portal-auth"
        ? ROOT
        : join(ROOT, "node_modules", renamed[dependency] ?? dependency);
    await symlink(from, place, "junction");
  }
  return folder;
}
