/** Creates a folder. It is removed by `remove`, or when this process ends. */
export function temporaryFolder(name: string): { readonly path: string; remove(): void };
