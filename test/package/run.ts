import { spawn } from "node:child_process";

export interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** What our own options or Node would take from the machine that runs the tests. */
const NOT_INHERITED = /^(PORTAL_|SESSION_|TOKEN_|NODE_OPTIONS$|NODE_NO_WARNINGS$)/;

/** An environment like that of a shell in which nothing has been set for us. */
export function cleanEnvironment(added: Record<string, string> = {}): NodeJS.ProcessEnv {
  const inherited = Object.entries(process.env).filter(([name]) => !NOT_INHERITED.test(name));
  return { ...Object.fromEntries(inherited), ...added };
}

export function run(command: string, args: readonly string[], cwd: string): Promise<Ran> {
  // npm, and what it installs as a command, is a .cmd on Windows, which only a shell starts
  const shell = command !== process.execPath && process.platform === "win32";
  const child = spawn(command, args, {
    cwd,
    shell,
    env: cleanEnvironment(),
    stdio: ["ignore", "pipe", "pipe"],
  });
  let [stdout, stderr] = ["", ""];
  child.stdout.on("data", (chunk) => (stdout += chunk));
  child.stderr.on("data", (chunk) => (stderr += chunk));
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, stdout, stderr }));
  });
}

/** Runs what must succeed; if it does not, the error tells what it said. */
export async function runWell(command: string, args: readonly string[], cwd: string): Promise<string> {
  const { code, stdout, stderr } = await run(command, args, cwd);
  if (code !== 0) throw new Error(`${command} ${args.join(" ")} ended with ${code}\n${stdout}\n${stderr}`);
  return stdout;
}
