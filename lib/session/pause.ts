/** By the global timer, looked up when it is needed: what a test puts in its place counts, as it does not in node:timers/promises. */
export const pause = (milliseconds: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, milliseconds);
  });
