import { checkSentences, checkWords } from "./words.mjs";

const MOST_CHARACTERS = 120;
const MOST_WORDS_IN_A_CELL = 16;

/** Checks a Markdown file: the prose and not its code blocks. */
export function checkMarkdown(_path, text) {
  const problems = [];
  let isCode = false;
  let paragraph = [];
  let start = 1;
  const flush = () => {
    const prose = paragraph.join("\n");
    for (const found of checkSentences(prose)) problems.push({ line: start, rule: "sentence", text: found });
    paragraph = [];
  };
  text.split("\n").forEach((line, index) => {
    const at = index + 1;
    if (/^\s*```/.test(line)) {
      isCode = !isCode;
      flush();
      return;
    }
    if (isCode) return;
    for (const found of checkWords(withoutCode(line))) problems.push({ line: at, rule: "word", text: found });
    if (line.trim().startsWith("|")) {
      flush();
      problems.push(...checkCells(line).map((found) => ({ line: at, rule: "cell", text: found })));
      return;
    }
    if (line.length > MOST_CHARACTERS && !/\S{60}/.test(line))
      problems.push({ line: at, rule: "line", text: `${line.length} characters` });
    const isBreak = line.trim() === "" || /^\s*([-*+]|\d+\.)\s|^#/.test(line);
    if (isBreak) flush();
    if (paragraph.length === 0) start = at;
    paragraph.push(line.replace(/^\s*([-*+]|\d+\.)\s+/, ""));
  });
  flush();
  return problems;
}

const withoutCode = (line) => line.replace(/`[^`]*`/g, "code").replace(/\]\([^)]*\)/g, "]");

function checkCells(line) {
  return line
    .split(/(?<!\\)\|/)
    .map((cell) => withoutCode(cell).trim().split(/\s+/))
    .filter((words) => words.length > MOST_WORDS_IN_A_CELL)
    .map((words) => `a cell of ${words.length} words: "${words.slice(0, 6).join(" ")} …"`);
}
