import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { whyNpmCannotInstall } from "./npm-can-install.js";
import { pack, ROOT } from "./packed.js";
import { createProject, type Project } from "./project.js";
import { expectQuickStart, KINDS } from "./quick-start.js";

const MINUTES = 60_000;
const excuse = await whyNpmCannotInstall();

describe.skipIf(excuse)(`what is installed with the package${excuse ? ` (${excuse})` : ""}`, () => {
  let project: Project;
  beforeAll(async () => {
    const packed = await pack();
    project = await createProject();
    await project.install(packed.tarball, "express@5");
  }, 3 * MINUTES);
  afterAll(() => project?.remove());

  // on each Node; package.test.ts has it for both versions of Express
  test.each(KINDS)("runs the quick start as %s, and Node warns of nothing", async (_kind, program) => {
    await expectQuickStart(project, program);
  });

  test("is a command", async () => {
    const { version } = JSON.parse(await readFile(join(ROOT, "package.json"), "utf8"));
    const command = join("node_modules", ".bin", "express-portal-auth"); // what npx runs
    const { code, stdout } = await project.run(command, ["--version"]);
    expect([code, stdout.trim()]).toEqual([0, version]);
    const explained = await project.run(command, ["explain", "login_expired"]);
    expect(explained.stdout).toMatch(/^login_expired\n/);
    expect((await project.run(command, ["doctor"])).code).toBe(1);
  });

  test("helps a suite of one's own, by Node's runner, with no oidc-provider there", async () => {
    const { code, stdout } = await project.run(process.execPath, ["--test", "own-suite.test.mjs"]);
    expect(code, stdout).toBe(0);
    expect(stdout).toMatch(/pass 2/);
  });
});
