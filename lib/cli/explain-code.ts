import { errorDefinitions } from "../errors/error-codes.js";
import { findErrorSection } from "../errors/error-reference.js";
import { WrongUsage } from "./usage-error.js";

/** Prints what the documentation says of a failure. */
export function explainCode([code, ...more]: string[]): number {
  if (code === undefined || more.length > 0) throw new WrongUsage("Write one code, as it stands in the log.");
  const section = findErrorSection(code);
  if (section === undefined) throw new WrongUsage(`There is no failure ${code}. ${nearCodes(code)}`);
  console.log(section);
  return 0;
}

function nearCodes(code: string): string {
  const words = code.split(/[^a-z]+/i).filter((word) => word.length > 3);
  const near = Object.keys(errorDefinitions).filter((one) =>
    words.some((word) => one.includes(word.toLowerCase())),
  );
  return near.length > 0
    ? `Did you mean ${near.join(", ")}?`
    : `There are: ${Object.keys(errorDefinitions).join(", ")}.`;
}
