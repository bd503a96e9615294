/** An error of the application or of its store, as far as it can be told: its name and its words without long tokens. */
export function outline(error: unknown): string {
  if (!(error instanceof Error)) return typeof error;
  return `${error.name}: ${error.message}`
    .replace(/:\/*[^\s"]*@/g, "://[…]@") // name and password in an address, up to the last @ of it
    .replace(/[\w\-+/=]{24,}/g, "[…]")
    .slice(0, 300);
}
