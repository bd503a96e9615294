#!/usr/bin/env node
import { readFileSync } from "node:fs";
import { explainCode } from "./explain-code.js";
import { doctor } from "./run-doctor.js";
import { WrongUsage } from "./usage-error.js";

const USAGE = `
Usage: express-portal-auth <command>

  doctor               looks whether logins can work: options, portal, credentials, cookies, store
    --env-file FILE    reads variables from a file first (may be given several times)
    --explain          prints the effective configuration, and where each value comes from
    --json             prints one JSON document, for machines
    --no-color         (NO_COLOR likewise)
  explain CODE         tells what a failure means, its usual causes and what to do

  --help, --version

doctor changes nothing and prints no secret. Exit code: 0 a login can work, 1 it cannot, 2 the command was not understood.
`;

const COMMANDS: Readonly<Record<string, (args: string[]) => number | Promise<number>>> = {
  doctor,
  explain: explainCode,
  "--help": () => say(USAGE),
  "--version": () =>
    say(String(JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")).version)),
};

function say(text: string): number {
  console.log(text);
  return 0;
}

async function main([command = "--help", ...args]: string[]): Promise<number> {
  const run = Object.hasOwn(COMMANDS, command) ? COMMANDS[command] : undefined;
  try {
    if (!run) throw new WrongUsage(`There is no command ${command}.`);
    return await run(args);
  } catch (error) {
    if (!(error instanceof WrongUsage)) throw error;
    console.error(`${error.message}\n${USAGE}`);
    return 2;
  }
}

process.exitCode = await main(process.argv.slice(2));
