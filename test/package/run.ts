import { spawn } from "node:child_process";

export interface CommandResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Variables of this machine that would change the options of the package or of Node.js. */
const NOT_INHERITED = /^(PORTAL_|SESSION_|TOKEN_|NODE_OPTIONS$|NODE_NO_WARNINGS$)/;

/** Returns the environment without these variables, plus the added ones. */
export function cleanEnvironment(added: Record<string, string> = {}): NodeJS.ProcessEnv {
  const inherited = Object.entries(process.env).filter(([name]) => !NOT_INHERITED.test(name));
  return { ...Object.fromEntries(inherited), ...added };
}

/** Runs a command and waits for its end, also if it fails. */
export function run(command: string, args: readonly string[], cwd: string): Promise<CommandResult> {
  // On Windows npm and installed commands are .cmd files, which need a shell.
  const shell = command !== process.execPath && process.platform === "win32";
  const child = spawn(command, args, {
    cwd,
    shell,
    env: cleanEnvironment(),
    stdio: ["ignore", "pipe", "pipe"],
  });
  let stdout = "";
  let stderr = "";
  child.stdout.on("data", (chunk) => (stdout += chunk));
  child.stderr.on("data", (chunk) => (stderr += chunk));
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, stdout, stderr }));
  });
}

/** Runs a command that must succeed, and returns its output. Otherwise the error contains the output. */
export async function runWell(command: string, args: readonly string[], cwd: string): Promise<string> {
  const { code, stdout, stderr } = await run(command, args, cwd);
  if (code !== 0) throw new Error(`${command} ${args.join(" ")} exited with ${code}\n${stdout}\n${stderr}`);
  return stdout;
}
