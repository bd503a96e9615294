import { errorDefinitions } from "../errors/error-codes.js";
import { findErrorSection } from "../errors/error-reference.js";
import { UsageError } from "./usage-error.js";

/** Prints the section of errors.md about an error code. Returns the exit code. */
export function explainCode([code, ...more]: string[]): number {
  if (code === undefined || more.length > 0)
    throw new UsageError("Give one error code, exactly as it is in the log.");
  const section = findErrorSection(code);
  if (section === undefined) throw new UsageError(`There is no error code ${code}. ${suggestCodes(code)}`);
  console.log(section);
  return 0;
}

function suggestCodes(code: string): string {
  const words = code.split(/[^a-z]+/i).filter((word) => word.length > 3);
  const codes = Object.keys(errorDefinitions);
  const similar = codes.filter((known) => words.some((word) => known.includes(word.toLowerCase())));
  return similar.length > 0 ? `Did you mean ${similar.join(", ")}?` : `The codes are: ${codes.join(", ")}.`;
}
