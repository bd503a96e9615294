/** A port of 127.0.0.1 that is free, and that no system gives to anybody by itself: it is likely to be free a while later. */
export function freePort(): Promise<number>;
/** Calls `start` with a free port, and again with another port if that one was taken meanwhile. */
export function onFreePort<T>(start: (port: number) => Promise<T>): Promise<T>;
