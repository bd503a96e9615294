import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import ts from "typescript";
import { expect, test } from "vitest";
import * as library from "../../lib/index.js";
import { type Block, readBlocks } from "./blocks.js";
import { ROOT } from "./documents.js";

// Type-checks every JavaScript and TypeScript block of the README and the guide against the sources of lib/.
// Names that a block does not declare may have any type. Those of the library have their own.

const SCRIPT = /^(js|mjs|ts)$/;
const blocks = (await readBlocks()).filter(({ language }) => SCRIPT.test(language));

/** "Cannot find name" and "Cannot find module": the variables, files and packages of the reader. */
const IGNORED_CODES = new Set([2304, 2307, 2552, 2580, 2582, 7016, 18004]);

/** Members that only packages of the reader declare. */
const IGNORED_MESSAGES = /^Property '(user|port)' does not exist on type '(Request|string)/;

/** Not strict, because JavaScript may add members to a literal, and read unknown JSON. */
const OPTIONS: ts.CompilerOptions = {
  allowJs: true,
  checkJs: true,
  noEmit: true,
  strict: false,
  skipLibCheck: true,
  target: ts.ScriptTarget.ES2022,
  module: ts.ModuleKind.NodeNext,
  moduleResolution: ts.ModuleResolutionKind.NodeNext,
  moduleDetection: ts.ModuleDetectionKind.Force,
  lib: ["lib.es2023.d.ts", "lib.dom.d.ts", "lib.dom.iterable.d.ts"],
  types: ["node"],
};

const FOLDER = join(ROOT, "test/readme");
const getFileName = ({ language }: Block, index: number): string =>
  join(FOLDER, `block-${index}.${language === "ts" ? "mts" : "mjs"}`);

const GLOBALS = join(FOLDER, "block-globals.d.mts");
const globals = `
declare global {
  const app: import("express").Express;
  const express: typeof import("express");
  const auth: import("../../lib/index.js").PortalAuth;
${Object.keys(library)
  .map((name) => `  const ${name}: typeof import("../../lib/index.js").${name};`)
  .join("\n")}
}
export {};
`;

const ENTRIES: Readonly<Record<string, string>> = {
  "express-portal-auth": "lib/index.ts",
  "express-portal-auth/inspector": "lib/inspector/index.ts",
  "express-portal-auth/opentelemetry": "lib/opentelemetry/index.ts",
  "express-portal-auth/testing": "lib/testing/index.ts",
};

function createProgram(files: ReadonlyMap<string, string>): ts.Program {
  const host = ts.createCompilerHost(OPTIONS);
  const read = host.readFile;
  host.readFile = (name) => files.get(name) ?? read(name);
  host.fileExists = (name) => files.has(name) || existsSync(name);
  host.getSourceFile = (name, version) => {
    const text = files.get(name) ?? (existsSync(name) ? readFileSync(name, "utf8") : undefined);
    return text === undefined ? undefined : ts.createSourceFile(name, text, version);
  };
  host.resolveModuleNameLiterals = (literals, from, _redirected, options, source) =>
    literals.map((literal) => {
      const entry = ENTRIES[literal.text];
      if (entry !== undefined)
        return { resolvedModule: { resolvedFileName: join(ROOT, entry), extension: ts.Extension.Ts } };
      const mode = ts.getModeForUsageLocation(source, literal, options);
      return ts.resolveModuleName(literal.text, from, options, host, undefined, undefined, mode);
    });
  return ts.createProgram([...files.keys()], OPTIONS, host);
}

/** Type-checks blocks, and returns each problem with its page and line. */
function checkTypes(checked: readonly Block[]): string[] {
  const files = new Map(checked.map((block, index) => [getFileName(block, index), block.code]));
  files.set(GLOBALS, globals);
  const program = createProgram(files);
  return checked.flatMap((block, index) => {
    const source = program.getSourceFile(getFileName(block, index));
    const found = [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)];
    return found.flatMap(({ code, messageText, start = 0 }) => {
      const message = ts.flattenDiagnosticMessageText(messageText, " ");
      if (IGNORED_CODES.has(code) || IGNORED_MESSAGES.test(message)) return [];
      const line = block.line + block.code.slice(0, start).split("\n").length - 1;
      return [`${block.page}:${line} ${message} (${code})`];
    });
  });
}

test("every script block has the right types", { timeout: 120_000 }, () => {
  expect(blocks.length).toBeGreaterThan(40);
  expect(checkTypes(blocks)).toEqual([]);
});

test("the check finds mistakes", { timeout: 120_000 }, () => {
  const mistakes = {
    "unknown-option.md": "app.use(portalAuth({ redirectUrl: 'https://app.example/callback' }));",
    "unknown-member.md": "app.get('/', (req, res) => res.json(req.portal.user));",
    "unknown-export.md": "import { protect } from 'express-portal-auth';\nprotect();",
    "syntax-error.md": "app.use(portalAuth(;",
  };
  const faultyBlocks = Object.entries(mistakes).map(([page, code]) => ({
    page,
    key: "",
    language: "js",
    line: 7,
    code,
  }));
  const found = checkTypes(faultyBlocks).map((problem) => problem.replace(/:.*/s, ""));
  expect(found).toEqual(Object.keys(mistakes));
});
