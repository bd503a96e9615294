import { readdir, readFile } from "node:fs/promises";
import { join, posix } from "node:path";
import ts from "typescript";

export interface Import {
  /** A path inside lib/ ("provider/discovery.ts") or the name of a package ("openid-client"). */
  readonly of: string;
  /** Whether the built JavaScript contains the import. */
  readonly atRuntime: boolean;
}

export interface Source {
  /** The path inside lib/, for example "provider/discovery.ts". */
  readonly path: string;
  readonly imports: readonly Import[];
  /** Uses of "process.env" and "req.session", which belong to one room each. Comments do not count. */
  readonly touches: ReadonlySet<string>;
  /** Whether the source consists only of `export … from`. */
  readonly onlyExports: boolean;
}

/** Reads the text of each source, by its path inside lib/. */
export async function readHouse(lib: string): Promise<Record<string, string>> {
  const paths = (await readdir(lib, { recursive: true })).map((path) => path.replaceAll("\\", "/"));
  const sources = paths.filter((path) => path.endsWith(".ts")).sort();
  return Object.fromEntries(
    await Promise.all(sources.map(async (path) => [path, await readFile(join(lib, path), "utf8")])),
  );
}

/**
 * Returns the room of a source: its folder, or `wiring` for the files directly in lib/. request-portal.ts is
 * a room by itself: it imports the steps, and guards import it.
 */
export function roomOf(path: string): string {
  const [first = path, inside] = path.split("/");
  return inside !== undefined || path === "request-portal.ts" ? first : "wiring";
}

export function parse(path: string, text: string): Source {
  const file = ts.createSourceFile(path, text, ts.ScriptTarget.ESNext, true);
  const imports: Import[] = [];
  const touches = new Set<string>();
  const see = (node: ts.Node): void => {
    const found = importOf(node);
    if (found) imports.push({ ...found, of: resolve(path, found.of) });
    for (const touched of touchedBy(node)) touches.add(touched);
    ts.forEachChild(node, see);
  };
  see(file);
  return { path, imports, touches, onlyExports: file.statements.every(ts.isExportDeclaration) };
}

function importOf(node: ts.Node): Import | undefined {
  if (ts.isImportDeclaration(node))
    // verbatimModuleSyntax keeps `import { type A }` in the JavaScript, so only `import type` is omitted
    // there
    return imported(node.moduleSpecifier, node.importClause?.phaseModifier !== ts.SyntaxKind.TypeKeyword);
  if (ts.isExportDeclaration(node) && node.moduleSpecifier)
    return imported(node.moduleSpecifier, !node.isTypeOnly);
  if (ts.isImportEqualsDeclaration(node) && ts.isExternalModuleReference(node.moduleReference))
    return imported(node.moduleReference.expression, !node.isTypeOnly);
  if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument))
    return imported(node.argument.literal, false);
  // store/ uses `load` for packages that only some users have installed
  const loads =
    ts.isCallExpression(node) && /^(import|require|require\.resolve|load)$/.test(node.expression.getText());
  return loads && node.arguments[0] ? imported(node.arguments[0], true) : undefined;
}

const imported = (specifier: ts.Node, atRuntime: boolean): Import | undefined =>
  ts.isStringLiteralLike(specifier) ? { of: specifier.text, atRuntime } : undefined;

function resolve(from: string, specifier: string): string {
  if (specifier.startsWith(".")) return posix.join(posix.dirname(from), specifier).replace(/\.js$/, ".ts");
  const [scope = "", name] = specifier.split("/");
  return scope.startsWith("@") ? `${scope}/${name}` : scope;
}

/** The members that express-session adds to a request. */
const SESSION_MEMBERS = ["session", "sessionID", "sessionStore"];

function touchedBy(node: ts.Node): string[] {
  return membersRead(node).flatMap(({ owner, member }) => {
    if (owner === "process" && member === "env") return ["process.env"];
    return /^(\w+\.)*req(uest)?$/.test(owner) && SESSION_MEMBERS.includes(member) ? ["req.session"] : [];
  });
}

/**
 * Returns the members that a node reads: `owner.member`, `owner["member"]`, `const { member } = owner`,
 * `({ member }: Owner) =>` or `import { member } from "owner"`.
 */
function membersRead(node: ts.Node): { owner: string; member: string }[] {
  if (ts.isPropertyAccessExpression(node)) return [{ owner: plain(node.expression), member: node.name.text }];
  if (ts.isElementAccessExpression(node) && ts.isStringLiteralLike(node.argumentExpression))
    return [{ owner: plain(node.expression), member: node.argumentExpression.text }];
  if (ts.isImportSpecifier(node)) {
    const from = node.parent.parent.parent as ts.ImportDeclaration;
    const owner = (from.moduleSpecifier as ts.StringLiteral).text.replace(/^node:/, "");
    return [{ owner, member: (node.propertyName ?? node.name).text }];
  }
  if (ts.isObjectBindingPattern(node)) {
    const { initializer, type } = node.parent as ts.VariableDeclaration | ts.ParameterDeclaration;
    const owner = initializer ? plain(initializer) : (type?.getText() ?? "").toLowerCase();
    return node.elements.map((element) => ({
      owner,
      member: (element.propertyName ?? element.name).getText(),
    }));
  }
  return [];
}

/** Returns the text of an expression without casts: `(req as Request)!` is `req`. */
function plain(expression: ts.Expression): string {
  let inner = expression;
  while (ts.isParenthesizedExpression(inner) || ts.isAsExpression(inner) || ts.isNonNullExpression(inner))
    inner = inner.expression;
  return inner
    .getText()
    .replaceAll("?.", ".")
    .replace(/^globalThis\./, "");
}
