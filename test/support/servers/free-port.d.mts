/** Returns a free port of 127.0.0.1. Systems never assign it by themselves, so it probably stays free. */
export function freePort(): Promise<number>;
/** Calls `start` with a free port, and again with another port if that one is in use meanwhile. */
export function onFreePort<T>(start: (port: number) => Promise<T>): Promise<T>;
