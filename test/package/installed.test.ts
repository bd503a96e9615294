import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { findInstallProblem } from "./npm-can-install.js";
import { pack, ROOT } from "./packed.js";
import { createProject, type Project } from "./project.js";
import { expectQuickStart, KINDS } from "./quick-start.js";

const MINUTES = 60_000;
const skipReason = await findInstallProblem();

describe.skipIf(skipReason)(`the installed package${skipReason ? ` (${skipReason})` : ""}`, () => {
  let project: Project;
  beforeAll(async () => {
    const packed = await pack();
    project = await createProject();
    await project.install(packed.tarball, "express@5");
  }, 3 * MINUTES);
  afterAll(() => project?.remove());

  // CI runs this on each version of Node.js. package.test.ts runs it with both versions of Express.
  test.each(KINDS)("runs the quick start as %s, without warnings of Node.js", async (_kind, program) => {
    await expectQuickStart(project, program);
  });

  test("has a command", async () => {
    const { version } = JSON.parse(await readFile(join(ROOT, "package.json"), "utf8"));
    const command = join("node_modules", ".bin", "express-portal-auth"); // what npx runs
    const { code, stdout } = await project.run(command, ["--version"]);
    expect([code, stdout.trim()]).toEqual([0, version]);
    const explanation = await project.run(command, ["explain", "login_expired"]);
    expect(explanation.stdout).toMatch(/^login_expired\n/);
    expect((await project.run(command, ["doctor"])).code).toBe(1);
  });

  test("runs the tests of an application with the runner of Node.js, without oidc-provider", async () => {
    const { code, stdout } = await project.run(process.execPath, ["--test", "own-suite.test.mjs"]);
    expect(code, stdout).toBe(0);
    expect(stdout).toMatch(/pass 2/);
  });
});
