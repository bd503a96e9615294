import ts from "typescript";
import { checkSentences, checkWords } from "./words.mjs";

const MOST_CHARACTERS = 110;
const MOST_LINES_OF_A_FUNCTION = 40;
const MOST_LINES_OF_A_CLOSURE = 60;

/** Checks a file of TypeScript or JavaScript. */
export function checkCode(path, text) {
  const file = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
  const lineOf = (position) => file.getLineAndCharacterOfPosition(position).line + 1;
  const problems = [...checkLines(text), ...checkComments(text, lineOf)];
  const isLibrary = path.startsWith("lib/");
  const walk = (node) => {
    const at = (rule, found) => problems.push({ line: lineOf(node.getStart(file)), rule, text: found });
    for (const found of checkShape(node, file)) at("shape", found);
    if (isLibrary) for (const found of checkLength(node, file, lineOf)) at("length", found);
    for (const found of checkMessage(node, file)) at("word", found);
    if (isLibrary && node.parent === file)
      for (const found of checkDocstring(node, file)) at("docstring", found);
    ts.forEachChild(node, walk);
  };
  ts.forEachChild(file, walk);
  return problems;
}

/** A line may be longer if one word of it is: an address, a token, a regular expression. */
function checkLines(text) {
  return text.split("\n").flatMap((line, index) => {
    const longestWord = Math.max(
      0,
      ...line
        .trim()
        .split(/\s+/)
        .map((word) => word.length),
    );
    if (line.length <= MOST_CHARACTERS || longestWord > MOST_CHARACTERS / 2) return [];
    return [{ line: index + 1, rule: "line", text: `${line.length} characters` }];
  });
}

function checkComments(text, lineOf) {
  return commentsOf(text).flatMap(({ start, prose }) => {
    const line = lineOf(start);
    return [
      ...checkWords(withoutCode(prose)).map((found) => ({ line, rule: "word", text: found })),
      ...checkSentences(prose).map((found) => ({ line, rule: "sentence", text: found })),
    ];
  });
}

/** Gathers the comments. Lines with `//` that follow each other are one comment. */
function commentsOf(text) {
  const comments = [];
  const scanner = ts.createScanner(ts.ScriptTarget.Latest, false, ts.LanguageVariant.Standard, text);
  const file = ts.createSourceFile("comments.ts", text, ts.ScriptTarget.Latest, true);
  const seen = new Set();
  const gather = (position) => {
    for (const range of ts.getLeadingCommentRanges(text, position) ?? []) add(range);
    for (const range of ts.getTrailingCommentRanges(text, position) ?? []) add(range);
  };
  const add = ({ pos, end }) => {
    if (seen.has(pos)) return;
    seen.add(pos);
    comments.push({ start: pos, end, prose: proseOf(text.slice(pos, end)) });
  };
  const walk = (node) => {
    gather(node.getFullStart());
    gather(node.getEnd());
    node.getChildren(file).forEach(walk);
  };
  walk(file);
  void scanner;
  comments.sort((one, other) => one.start - other.start);
  return joinLines(comments, text);
}

function joinLines(comments, text) {
  const joined = [];
  for (const comment of comments) {
    const before = joined.at(-1);
    const isNext = before && text.startsWith("//", before.start) && text.startsWith("//", comment.start);
    if (isNext && /^[ \t]*\r?\n[ \t]*$/.test(text.slice(before.end, comment.start))) {
      before.prose += `\n${comment.prose}`;
      before.end = comment.end;
    } else joined.push({ ...comment });
  }
  return joined.filter(({ prose }) => !/^\s*biome-ignore|^\s*@ts-/.test(prose));
}

const proseOf = (comment) =>
  comment
    .replace(/^\/\*\*?|\*\/$|^\/\//g, "")
    .replace(/^\s*\* ?/gm, "")
    .trim();

const withoutCode = (prose) =>
  prose
    .replace(/`[^`]*`/g, "code")
    .replace(/\{@link [^}]*\}/g, "code")
    .replace(/\s+/g, " ");

/** Texts with several words are messages for users or developers. */
function checkMessage(node, file) {
  if (!ts.isStringLiteral(node) && !ts.isTemplateHead(node) && !ts.isTemplateTail(node)) {
    if (!ts.isTemplateMiddle(node) && !ts.isNoSubstitutionTemplateLiteral(node)) return [];
  }
  if (ts.isImportDeclaration(node.parent) || ts.isExportDeclaration(node.parent)) return [];
  const { text } = node;
  if (text.split(" ").length < 4 || /[<{]/.test(text)) return [];
  void file;
  return checkWords(withoutCode(text));
}

function checkShape(node, file) {
  if (ts.isReturnStatement(node) && node.expression && ts.isVoidExpression(node.expression))
    return ["return void: write two statements"];
  if (ts.isVariableDeclaration(node) && ts.isArrayBindingPattern(node.name))
    if (node.initializer && ts.isArrayLiteralExpression(node.initializer))
      return ["a tuple is destructured to save a line: declare each value by itself"];
  if (!ts.isObjectLiteralExpression(node)) return [];
  const spreads = node.properties.filter(
    (property) => ts.isSpreadAssignment(property) && /&&|\?/.test(property.expression.getText(file)),
  );
  return spreads.length > 1 ? ["more than one conditional spread: build the object step by step"] : [];
}

const isFunction = (node) => ts.isFunctionLike(node) && node.body !== undefined;

function checkLength(node, file, lineOf) {
  if (!isFunction(node)) return [];
  const name = node.name?.getText(file) ?? "function";
  const all = linesOf(node.body, file, lineOf);
  const inner = [];
  const walk = (child) => {
    if (isFunction(child) && ts.isBlock(child.body)) inner.push(child);
    else ts.forEachChild(child, walk);
  };
  ts.forEachChild(node.body, walk);
  const own = new Set(all);
  for (const child of inner) for (const line of linesOf(child.body, file, lineOf)) own.delete(line);
  if (own.size > MOST_LINES_OF_A_FUNCTION)
    return [`${name} has ${own.size} lines (at most ${MOST_LINES_OF_A_FUNCTION})`];
  if (all.size > MOST_LINES_OF_A_CLOSURE)
    return [`${name} holds ${all.size} lines (at most ${MOST_LINES_OF_A_CLOSURE})`];
  return [];
}

/** Returns the numbers of the lines of code, without blank lines and comments. */
function linesOf(body, file, lineOf) {
  const lines = new Set();
  const from = lineOf(body.getStart(file));
  const to = lineOf(body.getEnd());
  const texts = file.text.split("\n");
  for (let line = from + 1; line < to; line += 1) {
    const text = (texts[line - 1] ?? "").trim();
    if (text !== "" && !/^(\/\/|\/\*|\*)/.test(text)) lines.add(line);
  }
  return lines;
}

/**
 * The docstring of an exported function begins with a verb that says the effect: "Creates", "Returns
 * whether".
 */
function checkDocstring(node, file) {
  const isExported = node.modifiers?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword) ?? false;
  if (!isExported || !isFunctionDeclaration(node)) return [];
  const name = node.name?.text ?? node.declarationList?.declarations[0]?.name.getText(file);
  const [doc] = node.jsDoc ?? [];
  if (!doc) return [`${name} has no docstring`];
  const text = ts.getTextOfJSDocComment(doc.comment) ?? "";
  return /^[A-Z][a-z]*s\b/.test(text)
    ? []
    : [`${name}: "${text.slice(0, 40)}" does not begin with a verb ("Returns …")`];
}

function isFunctionDeclaration(node) {
  if (ts.isFunctionDeclaration(node)) return true;
  const [declaration] = ts.isVariableStatement(node) ? node.declarationList.declarations : [];
  return declaration?.initializer !== undefined && ts.isArrowFunction(declaration.initializer);
}

/** Two exported types of lib/ must not share a name: one meaning for each name. */
export function checkExports(files) {
  const places = new Map();
  for (const { path, text } of files) {
    if (!path.startsWith("lib/") || !path.endsWith(".ts")) continue;
    for (const [, name] of text.matchAll(/^export (?:abstract )?(?:interface|type|class) (\w+)/gm))
      places.set(name, [...(places.get(name) ?? []), path]);
  }
  return [...places]
    .filter(([, paths]) => paths.length > 1)
    .flatMap(([name, paths]) =>
      paths.map((path) => ({
        path,
        line: 1,
        rule: "type",
        text: `${name} is exported by ${paths.join(" and ")}`,
      })),
    );
}
