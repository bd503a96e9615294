/**
 * Creates a gate. `opened` resolves when `open` is called, so code can wait for a moment that a test chooses.
 */
export function createGate() {
  let open: () => void = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open: () => open() };
}
