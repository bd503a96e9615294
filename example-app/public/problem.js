import { createElement } from "./dom.js";

/** Creates the prompt after a 401. The problem (RFC 9457) contains the URL of the login. */
export function createSignInPrompt(problem, explanation) {
  const login = new URL(problem.login, location.href);
  login.searchParams.set("returnTo", location.pathname);
  const link = createElement("a", { className: "button primary", href: login.href }, "Sign in");
  return [
    createElement("p", { className: "title" }, problem.title),
    createElement("p", {}, explanation),
    createElement("p", { className: "actions" }, link),
  ];
}
