import { expect, test } from "vitest";
import { linkTo } from "../lib/parts.js";

test("a route of ours is a link of this site, whatever a mount by pattern has made of a stranger's address", () => {
  expect(linkTo("/staff", "/login")).toBe("/staff/login");
  expect(linkTo("", "/login")).toBe("/login");
  expect(linkTo("//evil.example/x", "/login")).toBe("/");
});
