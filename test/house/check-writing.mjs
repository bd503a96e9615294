// Checks the rules of plain English and of the shape of code that a program can measure. Usage: node
// test/house/check-writing.mjs [folder or file …]. Without arguments it checks the whole repository.
import { readdirSync, readFileSync } from "node:fs";
import { join, posix } from "node:path";
import { fileURLToPath } from "node:url";
import { EXCEPTIONS } from "./writing-exceptions.mjs";
import { checkCode, checkExports } from "./writing-rules/code.mjs";
import { checkMarkdown } from "./writing-rules/markdown.mjs";
import { checkBasenames } from "./writing-rules/names.mjs";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const CODE = /\.(ts|mts|js|mjs)$/;

/** Folders that the rules do not apply to: those of .gitignore, and git's own. */
const SKIPPED = ["node_modules", "dist", "coverage", "output", ".git"];

/** Lists the paths of the code and the Markdown below a folder. */
function listFiles(folder = "") {
  return readdirSync(join(ROOT, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = posix.join(folder, entry.name);
    if (entry.isDirectory()) return SKIPPED.includes(entry.name) ? [] : listFiles(path);
    return CODE.test(path) || path.endsWith(".md") ? [path] : [];
  });
}

/** Returns every problem of the given files, as `{ path, line, rule, text }`. */
export function checkFiles(files) {
  const problems = [];
  for (const { path, text } of files) {
    const found = path.endsWith(".md") ? checkMarkdown(path, text) : checkCode(path, text);
    for (const problem of found) problems.push({ path, ...problem });
  }
  problems.push(...checkBasenames(files.map(({ path }) => path)), ...checkExports(files));
  return problems;
}

/** Returns whether an exception covers a problem: the start of its path, its rule, and a part of its text. */
const isException = (problem, { path, rule, text }) =>
  problem.path.startsWith(path) &&
  problem.rule === rule &&
  (text === undefined || problem.text.includes(text));

function main(chosen) {
  const files = listFiles().map((path) => ({ path, text: readFileSync(join(ROOT, path), "utf8") }));
  const isChosen = ({ path }) => chosen.length === 0 || chosen.some((start) => path.startsWith(start));
  const found = checkFiles(files);
  const problems = found
    .filter(isChosen)
    .filter((one) => !EXCEPTIONS.some((other) => isException(one, other)));
  const unused = EXCEPTIONS.filter((exception) => !found.some((problem) => isException(problem, exception)));
  for (const { path, line, rule, text } of problems) console.log(`${path}:${line} ${rule}: ${text}`);
  for (const { path, rule } of unused)
    console.log(`${path} ${rule}: this exception is not needed, remove it`);
  const count = problems.length + unused.length;
  if (count > 0) console.log(`${count} problems. The rules and their reasons: test/house/README.md`);
  process.exitCode = count > 0 ? 1 : 0;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) main(process.argv.slice(2));
