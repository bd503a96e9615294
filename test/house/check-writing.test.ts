import { expect, test } from "vitest";
import { checkFiles } from "./check-writing.mjs";

/** Returns the rules that a text breaks at a path. */
function rulesBroken(path: string, text: string): string[] {
  return checkFiles([{ path, text }]).map(({ rule }) => rule);
}

const LONG_SENTENCE = `The provider ${"returns a token and ".repeat(7)}a claim.`;
const LINES = "  work();\n".repeat(41);

test.each([
  ["line", "lib/a.ts", `export const a = "${"word ".repeat(25)}";`],
  ["line", "README.md", "word ".repeat(25)],
  ["sentence", "lib/a.ts", `// ${LONG_SENTENCE.replaceAll("and", "and\n//")}\n`],
  ["sentence", "README.md", LONG_SENTENCE.replaceAll("and", "and\n")],
  ["cell", "README.md", `| ${"word ".repeat(17)}|`],
  ["word", "lib/a.ts", "// Whoever is logged in passes.\n"],
  ["word", "lib/a.ts", "// Signed-in users pass. What is missing is reported.\n"],
  ["word", "lib/a.ts", 'throw new Error("the portal did not answer in time");'],
  ["word", "README.md", "Nobody can read it."],
  ["docstring", "lib/a.ts", "export function a(): void {}"],
  ["docstring", "lib/a.ts", "/** The value of a. */\nexport const a = (): number => 1;"],
  ["length", "lib/a.ts", `function a() {\n${LINES}}`],
  [
    "length",
    "lib/a.ts",
    `function a() {\n${`  const b = () => {\n${"    c();\n".repeat(30)}  };\n`.repeat(2)}}`,
  ],
  ["shape", "lib/a.ts", "function a() {\n  return void b();\n}"],
  ["shape", "lib/a.ts", "const [a, b] = [1, 2];"],
  ["shape", "lib/a.ts", "const a = { ...(b && { b }), ...(c && { c }) };"],
])("reports %s in %s", (rule, path, text) => {
  expect(rulesBroken(path, text)).toContain(rule);
});

test.each([
  ["lib/a.ts", "/** Returns whether the user is signed in. */\nexport const a = (): boolean => true;"],
  ["lib/a.ts", `// See https://example.com/${"a".repeat(110)}\n`],
  ["lib/a.ts", "// `req.portal` and portalAuth() are names.\n"],
  ["lib/a.ts", "const a = { ...(b && { b }), c };"],
  ["lib/a.ts", "const [a, b] = pair();"],
  ["README.md", "```ts\n// Whoever writes code blocks is not checked here\n```"],
  ["README.md", "What happens if the provider is down? The user sees a page."],
])("accepts good writing in %s: %s", (path, text) => {
  expect(rulesBroken(path, text)).toEqual([]);
});

test("reports two files of lib/ with one name, and two exported types of one name", () => {
  const files = ["lib/a/page.ts", "lib/b/page.ts"].map((path) => ({
    path,
    text: "export interface Page {}",
  }));
  expect(checkFiles(files).map(({ rule }) => rule)).toEqual(["basename", "basename", "type", "type"]);
  const indexes = ["lib/a/index.ts", "lib/b/index.ts"].map((path) => ({ path, text: "" }));
  expect(checkFiles(indexes)).toEqual([]);
});
