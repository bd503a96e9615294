export function element(name, properties, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

/**
 * Runs `work` at a click, and again only when it is done. The button is not `disabled` meanwhile: that would take the
 * focus away from who works by keyboard.
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
