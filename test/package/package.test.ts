import { readdir, readFile } from "node:fs/promises";
import { dirname, join, posix } from "node:path";
import { publint } from "publint";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { errorDefinitions } from "../../lib/errors/error-codes.js";
import { whyNpmCannotInstall } from "./npm-can-install.js";
import { type Packed, pack, ROOT } from "./packed.js";
import { createProject, type Project } from "./project.js";
import { expectQuickStart, KINDS } from "./quick-start.js";
import { run } from "./run.js";
import { exhaustiveSwitch, NEIGHBOURS } from "./sources.js";

const MINUTES = 60_000;
const ATTW = join(ROOT, "node_modules/@arethetypeswrong/cli/dist/index.js");

let packed: Packed;
beforeAll(async () => {
  packed = await pack();
}, 2 * MINUTES);

describe("the tarball", () => {
  test.each(["README.md", "LICENSE", "CHANGELOG.md"])("holds %s", (name) => {
    expect(packed.files).toContain(name);
  });

  test("holds each source of lib/ with its build, the documents, the inspector's page, and nothing else", async () => {
    const rooms = (await readdir(join(ROOT, "lib"), { recursive: true })).filter((path) =>
      path.endsWith("README.md"),
    );
    const readmes = ["README.md", ...rooms.map((path) => `lib/${path}`)];
    const guide = (await readdir(join(ROOT, "example-app/guide"), { recursive: true }))
      .filter((path) => path.endsWith(".md"))
      .map((path) => `example-app/guide/${path}`);
    const papers = [...readmes, ...guide, "LICENSE", "CHANGELOG.md", "lib/errors/errors.md", "package.json"];
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
    expect(packed.files.filter((path) => !papers.includes(path)).sort()).toEqual(
      [...sources, ...built, ...page].sort(),
    );
  });

  test("has a map beside each built file, and each source that a map names", async () => {
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

  test("has nothing that publint would change", async () => {
    const bytes = await readFile(packed.tarball);
    const tarball = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
    expect((await publint({ pack: { tarball }, strict: true })).messages).toEqual([]);
  });

  test(
    "has types that are right for each way to import it",
    async () => {
      // The one rule left out: that require() meets an ES module. That is meant, as every Node that `engines` admits can
      // do so; the CommonJS programs below prove it.
      const args = [
        ATTW,
        packed.tarball,
        "--ignore-rules",
        "cjs-resolves-to-esm",
        "--no-color",
        "--no-emoji",
      ];
      const { code, stdout, stderr } = await run(process.execPath, args, packed.folder);
      expect(code, `what attw says:\n${stdout}${stderr}`).toBe(0);
    },
    MINUTES,
  );
});

test("the lock file names no registry's addresses", async () => {
  const lock = JSON.parse(await readFile(join(ROOT, "package-lock.json"), "utf8"));
  const entries = Object.entries<{ resolved?: string; link?: boolean }>(lock.packages);
  expect(entries.length).toBeGreaterThan(100);
  expect(entries.filter(([, { resolved, link }]) => resolved !== undefined && !link)).toEqual([]);
});

const excuse = await whyNpmCannotInstall();

describe.skipIf(excuse)(`a fresh folder${excuse ? ` (${excuse})` : ""}`, () => {
  describe.each([5, 4])("with Express %i", (major) => {
    let project: Project;
    beforeAll(async () => {
      project = await createProject();
      await project.install(packed.tarball, `express@${major}`, `@types/express@${major}`, "@types/node@20");
    }, 2 * MINUTES);
    afterAll(() => project?.remove());

    test("has that Express and its types, and our tarball", async () => {
      expect(await project.version("express")).toMatch(new RegExp(`^${major}\\.`));
      expect(await project.version("@types/express")).toMatch(new RegExp(`^${major}\\.`));
      expect(await project.version("express-portal-auth")).toBe(await ourVersion());
    });

    test.each(KINDS)("runs the quick start as %s, and Node warns of nothing", async (_kind, program) => {
      await expectQuickStart(project, program);
    });

    // A compiler that looks at every declaration of every package takes a quarter of a minute each time.
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
      "compiles strict TypeScript with nodenext: .mts, .cts, a switch over every error code, and beside req.oidc, req.auth, req.user and the session data of others",
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
        await project.write("codes.mts", exhaustiveSwitch(Object.keys(errorDefinitions)));
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
