/**
 * An element with its attributes and children; what is text stays text. Attributes that are undefined are left out.
 */
export function h(name, attributes = {}, ...children) {
  return fill(document.createElement(name), attributes, children);
}

const SVG = "http://www.w3.org/2000/svg";

const s = (name, attributes, ...children) => fill(document.createElementNS(SVG, name), attributes, children);

function fill(element, attributes, children) {
  for (const [attribute, value] of Object.entries(attributes))
    if (value !== undefined && value !== false)
      element.setAttribute(attribute, value === true ? "" : String(value));
  element.append(...children.flat().filter((child) => child !== undefined && child !== false));
  return element;
}

/** A bar of parts: each from a share to a share of the whole. */
export function bar(label, ...parts) {
  const rects = parts.map(({ from, to, kind }) =>
    s("rect", {
      class: `fill ${kind ?? ""}`,
      x: `${Math.min(percent(from), 99)}%`,
      width: `${Math.max(percent(to) - percent(from), 1)}%`,
      height: "100%",
      rx: 3,
    }),
  );
  const track = s("rect", { class: "track", width: "100%", height: "100%", rx: 3 });
  return s("svg", { class: "bar", role: "img", "aria-label": label }, track, ...rects);
}

const percent = (share) => Math.min(Math.max(share, 0), 1) * 100;

/** Text in which `code` stands in backticks. */
export const withCode = (text) =>
  text.split(/`([^`]+)`/).map((part, index) => (index % 2 === 1 ? h("code", {}, part) : part));

/**
 * Puts these in place of what is there, unless nothing has changed: so nothing flickers. What is open stays so, and the
 * focus where it was: both by `data-key`.
 */
const shown = new WeakMap();
export function show(place, key, make) {
  if (shown.get(place) === key) return;
  const open = new Set([...place.querySelectorAll("details[open]")].map(({ dataset }) => dataset.key));
  const focused = place.contains(document.activeElement) ? keyOf(document.activeElement) : undefined;
  place.replaceChildren(...[make()].flat());
  for (const details of place.querySelectorAll("details")) details.open = open.has(details.dataset.key);
  if (focused !== undefined)
    focus([...place.querySelectorAll("[data-key]")].find((one) => keyOf(one) === focused));
  shown.set(place, key);
}

const keyOf = (element) => element.closest("[data-key]")?.dataset.key;

const focus = (element) =>
  (element?.querySelector(":scope > summary") ?? element)?.focus({ preventScroll: true });
