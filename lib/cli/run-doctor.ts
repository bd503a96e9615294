import { readFileSync } from "node:fs";
import { parseArgs, parseEnv } from "node:util";
import { diagnose } from "../doctor/index.js";
import { mergeEnvFiles } from "../settings/environment.js";
import { explain } from "../settings/explain.js";
import { createPaint, formatConfiguration, formatReport } from "./format-report.js";
import { UsageError } from "./usage-error.js";

/** Runs the checks and prints the report. Returns the exit code: 0 only if no check has failed. */
export async function runDoctor(args: string[]): Promise<number> {
  const { "env-file": files = [], json, explain: isExplainRequested, color } = parseArguments(args);
  const env = mergeEnvFiles(files.map(readEnvFile));
  const { ok, checks } = await diagnose({}, { env });
  const configuration = isExplainRequested ? explain({}, env) : undefined;
  if (json) {
    console.log(JSON.stringify({ ok, checks, configuration }, undefined, 2));
  } else {
    const paint = createPaint(color);
    const explained = configuration ? formatConfiguration(configuration, paint) : [];
    console.log([...explained, ...formatReport(ok, checks, paint)].join("\n"));
  }
  return ok ? 0 : 1;
}

function parseArguments(args: string[]) {
  try {
    const { values } = parseArgs({
      args,
      allowNegative: true,
      options: {
        "env-file": { type: "string", multiple: true },
        json: { type: "boolean" },
        explain: { type: "boolean" },
        color: { type: "boolean" },
      },
    });
    return values;
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

function readEnvFile(path: string): NodeJS.Dict<string> {
  try {
    const text = readFileSync(path, "utf8");
    return parseEnv(text.replace(/^\uFEFF/, "")); // editors on Windows write a byte order mark
  } catch (error) {
    throw new UsageError(`${path} cannot be read (${(error as NodeJS.ErrnoException).code}).`);
  }
}
