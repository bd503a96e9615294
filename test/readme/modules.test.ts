import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { runWell } from "../package/run.js";
import { freePort } from "../support/servers/free-port.mjs";
import { type Block, readBlocks } from "./blocks.js";
import { GUIDE, ROOT } from "./documents.js";

// Follows pages of the guide as a reader does: saves complete modules as files, and starts them with Node.js.
// The packages are those of this repository, and express-portal-auth is the build in dist/.

const blocks = await readBlocks();

/** Finds the block of a page that contains this text. */
function findBlock(page: string, text: string): Block {
  const found = blocks.find((block) => block.page === `${GUIDE}/${page}` && block.code.includes(text));
  if (!found) throw new Error(`${page} has no block with ${text}`);
  return found;
}

/** Creates a folder with these files and the packages. */
async function createFolder(files: Readonly<Record<string, string>>): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "portal-auth-guide-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  await mkdir(join(folder, "node_modules"));
  const packages = ["express", "supertest", "oidc-provider"];
  for (const name of packages)
    await symlink(join(ROOT, "node_modules", name), join(folder, "node_modules", name), "junction");
  await symlink(ROOT, join(folder, "node_modules/express-portal-auth"), "junction");
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
  return folder;
}

const testForMinute = (title: string, work: () => Promise<void>) => test(title, { timeout: 60_000 }, work);

testForMinute("getting-started.md: the app passes its own tests without a provider", async () => {
  const env = findBlock("getting-started.md", "PORTAL_PROFILE=").code;
  const folder = await createFolder({
    "app.mjs": findBlock("getting-started.md", "export const app").code,
    "app.test.mjs": findBlock("getting-started.md", "an admin sees the admin page").code,
    ".env": env.replace("SESSION_SECRET=", `SESSION_SECRET=${"0123456789abcdef".repeat(4)}`),
  });
  const output = await runWell(
    process.execPath,
    ["--env-file=.env", "--test", "--test-reporter=tap"],
    folder,
  );
  expect(output).toMatch(/^# pass 2\n# fail 0$/m);
});

testForMinute("testing.md: the test without a provider passes", async () => {
  const { code } = findBlock("testing.md", "a signed-in user sees the account");
  const folder = await createFolder({ "app.test.mjs": code });
  const output = await runWell(process.execPath, ["--test", "--test-reporter=tap"], folder);
  expect(output).toMatch(/^# pass 2\n# fail 0$/m);
});

testForMinute("testing.md: the provider in the process signs a user in", async () => {
  const { code } = findBlock("testing.md", "console.log(await response.json())");
  const port = String(await freePort());
  const module = code.replaceAll("3210", port);
  const folder = await createFolder({ "try.mjs": module });
  const output = await runWell(process.execPath, ["try.mjs"], folder);
  expect(output).toContain("name: 'Amara Okafor'");
});
