import { readFileSync } from "node:fs";
import { parseArgs, parseEnv } from "node:util";
import { diagnose } from "../doctor/index.js";
import { mergeEnvFiles } from "../settings/environment.js";
import { explain } from "../settings/explain.js";
import { createPaint, explainedLines, reportLines } from "./format-report.js";
import { WrongUsage } from "./usage-error.js";

/** Gives the exit code: 0 only when a login can work. */
export async function doctor(args: string[]): Promise<number> {
  const { "env-file": files = [], json, explain: wantsExplained, color } = read(args);
  const env = mergeEnvFiles(files.map(readEnvFile));
  const { ok, checks } = await diagnose({}, { env });
  const configuration = wantsExplained ? explain({}, env) : undefined;
  if (json)
    console.log(JSON.stringify({ ok, checks, ...(configuration && { configuration }) }, undefined, 2));
  else {
    const paint = createPaint(color);
    const lines = [
      ...(configuration ? explainedLines(configuration, paint) : []),
      ...reportLines(ok, checks, paint),
    ];
    console.log(lines.join("\n"));
  }
  return ok ? 0 : 1;
}

function read(args: string[]) {
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
    throw new WrongUsage((error as Error).message);
  }
}

function readEnvFile(path: string): NodeJS.Dict<string> {
  try {
    return parseEnv(readFileSync(path, "utf8").replace(/^\uFEFF/, "")); // a byte order mark
  } catch (error) {
    throw new WrongUsage(`${path} cannot be read (${(error as NodeJS.ErrnoException).code}).`);
  }
}
