/** Waits. It calls the global setTimeout, which tests can replace, unlike that of node:timers/promises. */
export const pause = (milliseconds: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, milliseconds);
  });
