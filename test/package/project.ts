import { spawn } from "node:child_process";
import { once } from "node:events";
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { type CommandResult, cleanEnvironment, run, runWell } from "./run.js";

const CONSUMER = fileURLToPath(new URL("consumer", import.meta.url));
const TSC = createRequire(import.meta.url).resolve("typescript/bin/tsc");

/**
 * The project of an application: a new folder with the sources of consumer/, where our tarball is installed.
 */
export interface Project {
  install(...packages: string[]): Promise<void>;
  write(name: string, text: string): Promise<void>;
  read(name: string): Promise<string>;
  /** Returns the installed version of a package. */
  version(name: string): Promise<string>;
  /**
   * Type-checks the files with the strictest options, including the declarations of all packages. Returns the
   * errors.
   */
  compile(files: readonly string[], compilerOptions: Record<string, unknown>): Promise<string>;
  /** Runs a command and waits for its end. */
  run(command: string, args: readonly string[]): Promise<CommandResult>;
  /** Starts a program that prints its port, without flags and with only these of our variables. */
  start(program: string, environment: Record<string, string>): Promise<RunningProgram>;
  remove(): Promise<void>;
}

export interface RunningProgram {
  readonly url: string;
  /** Ends the program, and returns the lines that it wrote to stderr. */
  stop(): Promise<string[]>;
}

/** Creates a project in a new temporary folder. */
export async function createProject(): Promise<Project> {
  const folder = await mkdtemp(join(tmpdir(), "express-portal-auth-project-"));
  await cp(CONSUMER, folder, { recursive: true });
  const write = (name: string, text: string) => writeFile(join(folder, name), text);
  await write("package.json", JSON.stringify({ name: "consumer-project", private: true }));
  return {
    write,
    read: (name) => readFile(join(folder, name), "utf8"),
    async install(...packages) {
      await runWell("npm", ["install", ...packages, "--no-audit", "--no-fund", "--prefer-offline"], folder);
    },
    async version(name) {
      return JSON.parse(await readFile(join(folder, "node_modules", name, "package.json"), "utf8")).version;
    },
    async compile(files, compilerOptions) {
      await write(
        "tsconfig.json",
        JSON.stringify({ compilerOptions: { ...STRICTEST, ...compilerOptions }, files }),
      );
      return formatErrors(await run(process.execPath, [TSC, "--pretty", "false"], folder));
    },
    run: (command, args) => run(command, args, folder),
    start: (program, environment) => startProgram(folder, program, environment),
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}

const STRICTEST = {
  target: "ES2023",
  lib: ["ES2023"],
  types: ["node"],
  strict: true,
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
  noPropertyAccessFromIndexSignature: true,
  skipLibCheck: false,
  noEmit: true,
};

const formatErrors = ({ code, stdout, stderr }: CommandResult) =>
  code === 0 ? "" : `${stdout}${stderr}` || `tsc exited with ${code}`;

async function startProgram(
  cwd: string,
  program: string,
  added: Record<string, string>,
): Promise<RunningProgram> {
  const env = cleanEnvironment(added);
  const child = spawn(process.execPath, [program], { cwd, env, stdio: ["ignore", "pipe", "pipe"] });
  let stderr = "";
  child.stderr.on("data", (chunk) => (stderr += chunk));
  const closed = once(child, "close");
  const firstLine = once(createInterface(child.stdout), "line");
  const [port] = await Promise.race([
    firstLine,
    closed.then(() => Promise.reject(new Error(`${program} ended before it listened:\n${stderr}`))),
  ]);
  return {
    url: `http://127.0.0.1:${port}`,
    async stop() {
      child.kill();
      await closed;
      return stderr.split("\n").filter(Boolean);
    },
  };
}
