/**
 * Runs work while nobody else, in whatever process, runs work of the same name; gives what the work gave. It is held for
 * a few milliseconds: while one session is read, changed and written. For stores that cannot do this by themselves.
 */
export type Lock = <T>(name: string, work: () => Promise<T>) => Promise<T>;
