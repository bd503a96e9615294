import { element } from "./dom.js";

/** All that it takes to handle a 401: the problem (RFC 9457) names the address of the login. */
export function signInAgain(problem, explanation) {
  const login = new URL(problem.login, location.href);
  login.searchParams.set("returnTo", location.pathname);
  const link = element("a", { className: "button primary", href: login.href }, "Sign in");
  return [
    element("p", { className: "title" }, problem.title),
    element("p", {}, explanation),
    element("p", { className: "actions" }, link),
  ];
}
