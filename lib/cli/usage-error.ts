/** What was typed is not understood: told with the usage, and exit code 2. */
export class WrongUsage extends Error {
  override readonly name = "WrongUsage";
}
