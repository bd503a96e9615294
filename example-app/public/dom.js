/** Creates an element with properties and children. */
export function createElement(name, properties, ...children) {
  const element = Object.assign(document.createElement(name), properties);
  element.append(...children);
  return element;
}

/**
 * Runs `work` at a click. Clicks during the work are ignored. The button is not `disabled` meanwhile, because
 * it would lose the keyboard focus.
 */
export function onClick(button, work) {
  button.addEventListener("click", async () => {
    if (button.ariaDisabled === "true") return;
    button.ariaDisabled = "true";
    await work().finally(() => {
      button.ariaDisabled = null;
    });
  });
}
