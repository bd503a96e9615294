import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { errorDefinitions } from "../../lib/errors/portal-auth-error.js";
import { SECRETS, VARIABLES } from "../../lib/settings/option-table.js";
import { logIn } from "../access/logged-in.js";

const text = await readFile(new URL("../../lib/errors/errors.md", import.meta.url), "utf8");
const [contents = "", ...sections] = text.split(/^## /m);
const codes = sections.map((section) => section.slice(0, section.indexOf("\n")));

test("each code has its section, in the order of the code, and there is no other", () => {
  expect(codes).toEqual(Object.keys(errorDefinitions));
});

test("the contents lead to each section once", () => {
  expect(
    [...contents.matchAll(/\[(\w+)\]\(#(\w+)\)/g)].map(([, name, to]) => (name === to ? to : name)),
  ).toEqual(codes);
});

test.each(sections.map((section) => [section.slice(0, section.indexOf("\n")), section]))(
  "the section of %s tells what happened, and of each cause how to tell it and the fix",
  (code, section) => {
    const { status, sentence } = errorDefinitions[code as keyof typeof errorDefinitions];
    expect(section).toContain(`\nStatus ${status}. People read: "${sentence}"\n`);
    const parts = section.split(/\n\n/);
    expect(parts.map((part) => part.replace(/(\*\*[^*]+\*\*).*/s, "$1"))).toMatchObject([
      code,
      expect.any(String),
      "**What happened.**",
      expect.stringMatching(/^\*\*Usual causes?\.\*\*$/),
      expect.any(String),
      ...(parts[5] === undefined ? [] : [""]),
    ]);
    const lines = (parts[4] ?? "").trimEnd().split("\n");
    const shape = lines.map((line) => line.replace(/^(\d+\. |\s+\*[^*]+\*).*/, "$1"));
    expect(lines.length % 3).toBe(0);
    for (let cause = 0; cause * 3 < lines.length; cause += 1)
      expect(shape.slice(cause * 3, cause * 3 + 3)).toEqual([
        `${cause + 1}. `,
        "   *How to tell:*",
        "   *The fix:*",
      ]);
  },
);

test("it names no variable that is not read", () => {
  const known = new Set([...Object.values(VARIABLES), ...SECRETS.map((name) => `${name}_FILE`)]);
  const named = text.match(/\b(?:PORTAL|SESSION|TOKEN)_[A-Z_]*[A-Z]\b/g) ?? [];
  expect(named.filter((name) => !known.has(name))).toEqual([]);
});

test("each line in the log says where to read more", async () => {
  const { url, browser, log } = await logIn({ log: [/callback_invalid/] });
  await browser.navigate(`${url}/callback?code=x`);
  expect(log.at(-1)).toMatch(
    /^\[express-portal-auth\] callback_invalid .* More: npx express-portal-auth explain callback_invalid$/,
  );
});
