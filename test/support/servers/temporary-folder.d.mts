/** Creates a folder. It is removed by `remove`, or when this process ends. */
export function temporaryFolder(name: string): { readonly path: string; remove(): void };
/** Starts a server in a temporary folder, which is removed when the server is stopped or does not start. */
export function startInFolder<Server extends { stop(): Promise<void> }>(
  name: string,
  start: (folder: string) => Promise<Server>,
): Promise<Server>;
