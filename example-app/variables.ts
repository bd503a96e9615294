/** Something that whoever starts the example can put right: told without a stack. */
export class Advice extends Error {}

/** A whole number from 1 on. */
export function readNumber(variable: string, usual: number, most: number): number {
  const number = Number(process.env[variable] || usual);
  if (Number.isInteger(number) && number >= 1 && number <= most) return number;
  throw new Advice(`${variable} must be a number from 1 to ${most}.`);
}

export const readPort = (variable: string, usual: number): number => readNumber(variable, usual, 65_535);
