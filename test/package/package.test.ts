import { readdir, readFile } from "node:fs/promises";
import { dirname, join, posix } from "node:path";
import { publint } from "publint";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { errorDefinitions } from "../../lib/errors/error-codes.js";
import { findInstallProblem } from "./npm-can-install.js";
import { type Packed, pack, ROOT } from "./packed.js";
import { createProject, type Project } from "./project.js";
import { expectQuickStart, KINDS } from "./quick-start.js";
import { run } from "./run.js";
import { createExhaustiveSwitch, NEIGHBOURS } from "./sources.js";

const MINUTES = 60_000;
const ATTW = join(ROOT, "node_modules/@arethetypeswrong/cli/dist/index.js");

let packed: Packed;
beforeAll(async () => {
  packed = await pack();
}, 2 * MINUTES);

describe("the tarball", () => {
  test.each(["README.md", "LICENSE", "CHANGELOG.md"])("contains %s", (name) => {
    expect(packed.files).toContain(name);
  });

  test("contains only the sources of lib/, their build, the documents and the inspector's page", async () => {
    const rooms = (await readdir(join(ROOT, "lib"), { recursive: true })).filter((path) =>
      path.endsWith("README.md"),
    );
    const readmes = ["README.md", ...rooms.map((path) => `lib/${path}`)];
    const guide = (await readdir(join(ROOT, "example-app/guide"), { recursive: true }))
      .filter((path) => path.endsWith(".md"))
      .map((path) => `example-app/guide/${path}`);
    const documents = [
      ...readmes,
      ...guide,
      "LICENSE",
      "CHANGELOG.md",
      "lib/errors/errors.md",
      "package.json",
    ];
    const page = (await readdir(join(ROOT, "lib/inspector/page"))).map(
      (name) => `lib/inspector/page/${name}`,
    );
    const sources = packed.files.filter((path) => path.startsWith("lib/") && path.endsWith(".ts"));
    const built = sources.flatMap((path) =>
      [".js", ".js.map", ".d.ts", ".d.ts.map"].map((ending) =>
        path.replace(/^lib/, "dist").replace(/\.ts$/, ending),
      ),
    );
    expect(sources).toContain("lib/index.ts");
    expect(packed.files.filter((path) => !documents.includes(path)).sort()).toEqual(
      [...sources, ...built, ...page].sort(),
    );
  });

  test("has a source map for each built file, and each source of a map", async () => {
    const files = new Set(packed.files);
    const built = packed.files.filter((path) => /^dist\/.*\.(js|d\.ts)$/.test(path));
    expect(built).not.toEqual([]);
    for (const path of built) {
      const text = await readFile(join(packed.folder, path), "utf8");
      const [, map] = text.match(/\/\/# sourceMappingURL=(\S+)\s*$/) ?? [];
      expect(map, `the map of ${path}`).toBe(`${posix.basename(path)}.map`);
      const { sources, sourceRoot } = JSON.parse(await readFile(join(packed.folder, `${path}.map`), "utf8"));
      for (const source of sources)
        expect(files, `the source of ${path}`).toContain(posix.join(dirname(path), sourceRoot ?? "", source));
    }
  });

  test("passes publint", async () => {
    const bytes = await readFile(packed.tarball);
    const tarball = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
    expect((await publint({ pack: { tarball }, strict: true })).messages).toEqual([]);
  });

  test(
    "has correct types for each way to import it",
    async () => {
      // One rule is ignored: require() of an ES module. Each Node.js version in `engines` supports it, and
      // the CommonJS programs below test it.
      const args = [
        ATTW,
        packed.tarball,
        "--ignore-rules",
        "cjs-resolves-to-esm",
        "--no-color",
        "--no-emoji",
      ];
      const { code, stdout, stderr } = await run(process.execPath, args, packed.folder);
      expect(code, `attw reports:\n${stdout}${stderr}`).toBe(0);
    },
    MINUTES,
  );
});

test("the lock file contains no registry URLs", async () => {
  const lock = JSON.parse(await readFile(join(ROOT, "package-lock.json"), "utf8"));
  const entries = Object.entries<{ resolved?: string; link?: boolean }>(lock.packages);
  expect(entries.length).toBeGreaterThan(100);
  expect(entries.filter(([, { resolved, link }]) => resolved !== undefined && !link)).toEqual([]);
});

const skipReason = await findInstallProblem();

describe.skipIf(skipReason)(`a new project${skipReason ? ` (${skipReason})` : ""}`, () => {
  describe.each([5, 4])("with Express %i", (major) => {
    let project: Project;
    beforeAll(async () => {
      project = await createProject();
      await project.install(packed.tarball, `express@${major}`, `@types/express@${major}`, "@types/node@20");
    }, 2 * MINUTES);
    afterAll(() => project?.remove());

    test("has that Express version with its types, and our tarball", async () => {
      expect(await project.version("express")).toMatch(new RegExp(`^${major}\\.`));
      expect(await project.version("@types/express")).toMatch(new RegExp(`^${major}\\.`));
      expect(await project.version("express-portal-auth")).toBe(await ourVersion());
    });

    test.each(KINDS)("runs the quick start as %s, without warnings of Node.js", async (_kind, program) => {
      await expectQuickStart(project, program);
    });

    // To check every declaration of every package takes the compiler 15 s each time.
    if (major === 5)
      test(
        "compiles strict TypeScript with bundler resolution",
        async () => {
          const bundler = { module: "esnext", moduleResolution: "bundler" };
          expect(await project.compile(["app.mts"], bundler)).toBe("");
        },
        MINUTES,
      );

    test(
      "compiles strict TypeScript with nodenext, also beside other packages that extend the request",
      async () => {
        const others = [
          "express-openid-connect",
          "express-oauth2-jwt-bearer",
          "@types/passport",
          "express-session",
        ];
        await project.install(...others);
        expect(await project.version("@types/express")).toMatch(new RegExp(`^${major}\\.`));
        await project.write("neighbours.mts", NEIGHBOURS);
        await project.write("codes.mts", createExhaustiveSwitch(Object.keys(errorDefinitions)));
        const files = ["app.mts", "app.cts", "codes.mts", "neighbours.mts"];
        expect(await project.compile(files, { module: "nodenext", types: ["node", "passport"] })).toBe("");
      },
      2 * MINUTES,
    );
  });
});

async function ourVersion(): Promise<string> {
  return JSON.parse(await readFile(join(ROOT, "package.json"), "utf8")).version;
}
