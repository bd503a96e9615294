#!/usr/bin/env node
import { readFileSync } from "node:fs";
import { explainCode } from "./explain-code.js";
import { runDoctor } from "./run-doctor.js";
import { UsageError } from "./usage-error.js";

const USAGE = `
Usage: express-portal-auth <command>

  doctor               checks whether users can sign in: options, provider, credentials, cookies, store
    --env-file FILE    reads variables from a file (may be repeated; later files and real variables win)
    --explain          prints the effective configuration, and where each value comes from
    --json             prints one JSON document, for programs
    --no-color         prints no colours (so does NO_COLOR)
  explain CODE         prints what an error code means, its usual causes and what to do

  --help, --version

doctor changes nothing and prints no secret.
Exit code: 0 sign-in should work, 1 it cannot work, 2 the command line is invalid.
`;

const COMMANDS: Readonly<Record<string, (args: string[]) => number | Promise<number>>> = {
  doctor: runDoctor,
  explain: explainCode,
  "--help": () => print(USAGE),
  "--version": () =>
    print(String(JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")).version)),
};

function print(text: string): number {
  console.log(text);
  return 0;
}

async function main([command = "--help", ...args]: string[]): Promise<number> {
  const run = Object.hasOwn(COMMANDS, command) ? COMMANDS[command] : undefined;
  try {
    if (!run) throw new UsageError(`There is no command ${command}.`);
    return await run(args);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    console.error(`${error.message}\n${USAGE}`);
    return 2;
  }
}

process.exitCode = await main(process.argv.slice(2));
