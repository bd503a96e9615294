/** Waits. Calls the global setTimeout, because tests can replace it, unlike that of node:timers/promises. */
export const pause = (milliseconds: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, milliseconds);
  });
