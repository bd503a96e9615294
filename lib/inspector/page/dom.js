/** Creates an HTML element. Strings become text nodes. Attributes that are undefined or false are omitted. */
export function h(name, attributes = {}, ...children) {
  return fill(document.createElement(name), attributes, children);
}

const SVG = "http://www.w3.org/2000/svg";

const createSvg = (name, attributes, ...children) =>
  fill(document.createElementNS(SVG, name), attributes, children);

function fill(element, attributes, children) {
  for (const [attribute, value] of Object.entries(attributes))
    if (value !== undefined && value !== false)
      element.setAttribute(attribute, value === true ? "" : String(value));
  element.append(...children.flat().filter((child) => child !== undefined && child !== false));
  return element;
}

/** Creates a bar. Each part has its start and its end, as numbers from 0 to 1. */
export function bar(label, ...parts) {
  const rects = parts.map(({ from, to, kind }) =>
    createSvg("rect", {
      class: `fill ${kind ?? ""}`,
      x: `${Math.min(percent(from), 99)}%`,
      width: `${Math.max(percent(to) - percent(from), 1)}%`,
      height: "100%",
      rx: 3,
    }),
  );
  const track = createSvg("rect", { class: "track", width: "100%", height: "100%", rx: 3 });
  return createSvg("svg", { class: "bar", role: "img", "aria-label": label }, track, ...rects);
}

const percent = (share) => Math.min(Math.max(share, 0), 1) * 100;

/** Turns text with `code` in backticks into text nodes and code elements. */
export const renderCode = (text) =>
  text.split(/`([^`]+)`/).map((part, index) => (index % 2 === 1 ? h("code", {}, part) : part));

/** The key of the content that each container shows. */
const shown = new WeakMap();

/**
 * Replaces the content of a container, unless its key is unchanged, so that nothing flickers.
 * Open details stay open and the focus stays, both by `data-key`.
 */
export function show(container, key, create) {
  if (shown.get(container) === key) return;
  const open = new Set([...container.querySelectorAll("details[open]")].map(({ dataset }) => dataset.key));
  const focused = container.contains(document.activeElement) ? getKey(document.activeElement) : undefined;
  container.replaceChildren(...[create()].flat());
  for (const details of container.querySelectorAll("details")) details.open = open.has(details.dataset.key);
  if (focused !== undefined)
    setFocus([...container.querySelectorAll("[data-key]")].find((one) => getKey(one) === focused));
  shown.set(container, key);
}

const getKey = (element) => element.closest("[data-key]")?.dataset.key;

const setFocus = (element) =>
  (element?.querySelector(":scope > summary") ?? element)?.focus({ preventScroll: true });
