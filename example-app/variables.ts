/** A mistake that the developer who starts the example can correct. It is printed without a stack. */
export class StartError extends Error {}

/** Reads a variable that must be a whole number from 1 to `maximum`. */
export function readNumber(variable: string, defaultValue: number, maximum: number): number {
  const number = Number(process.env[variable] || defaultValue);
  if (Number.isInteger(number) && number >= 1 && number <= maximum) return number;
  throw new StartError(`${variable} must be a number from 1 to ${maximum}.`);
}

export const readPort = (variable: string, defaultValue: number): number =>
  readNumber(variable, defaultValue, 65_535);
