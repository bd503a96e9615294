import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { errorDefinitions, type PortalAuthErrorCode } from "../../lib/errors/error-codes.js";
import { findErrorExplanation } from "../../lib/errors/error-reference.js";
import { ENGLISH } from "../../lib/errors/page-texts/english.js";
import { SECRETS, VARIABLES } from "../../lib/settings/option-table.js";
import { logIn } from "../access/signed-in-request.js";

const text = await readFile(new URL("../../lib/errors/errors.md", import.meta.url), "utf8");
const [contents = "", ...sections] = text.split(/^## /m);
const codes = sections.map((section) => section.slice(0, section.indexOf("\n")));

/** Joins lines: a sentence may continue on the next line. */
const joinLines = (lines: string): string => lines.trim().replace(/\n\s*/g, " ");

test("has one section for each code, in the order of the code", () => {
  expect(codes).toEqual(Object.keys(errorDefinitions));
});

test("links to each section once in its contents", () => {
  const links = [...contents.matchAll(/\[(\w+)\]\(#(\w+)\)/g)];
  expect(links.map(([, name, to]) => (name === to ? to : name))).toEqual(codes);
});

test.each(sections.map((section, index) => [codes[index] as PortalAuthErrorCode, section]))(
  "says of %s what happened, and for each cause how to check it and how to fix it",
  (code, section) => {
    const [title, shown = "", happened = "", heading, list = "", ...rest] = section.trimEnd().split(/\n\n/);
    const { status } = errorDefinitions[code];
    expect([title, rest]).toEqual([code, []]);
    expect(joinLines(shown)).toBe(`Status ${status}. Users see: "${ENGLISH.sentences[code]}"`);
    expect(happened).toMatch(/^\*\*What happened\.\*\* /);
    expect(heading).toMatch(/^\*\*Usual causes?\.\*\*$/);
    const starts = list.match(/^(\d+\.|\s+\*[^*]+\*) /gm) ?? [];
    expect(starts).toEqual(
      [...list.matchAll(/^\d+\. /gm)].flatMap((_match, index) => [
        `${index + 1}. `,
        "   *Check:* ",
        "   *Fix:* ",
      ]),
    );
  },
);

test("is parsed completely: every word of a section is in its explanation", () => {
  for (const [index, section] of sections.entries()) {
    const { happened = "", causes = [] } = findErrorExplanation(codes[index] ?? "") ?? {};
    const parsed = causes.map(
      ({ cause, check, fix }, position) => `${position + 1}. ${cause} *Check:* ${check} *Fix:* ${fix}`,
    );
    const expected = joinLines(section.slice(section.indexOf("**What happened.**")));
    const heading = /\*\*Usual causes?\.\*\*/.exec(section)?.[0];
    expect(["**What happened.**", happened, heading, ...parsed].join(" ")).toBe(expected);
  }
});

test("names only variables that the package reads", () => {
  const known = new Set([...Object.values(VARIABLES), ...SECRETS.map((name) => `${name}_FILE`)]);
  const named = text.match(/\b(?:PORTAL|SESSION|TOKEN)_[A-Z_]*[A-Z]\b/g) ?? [];
  expect(named.filter((name) => !known.has(name))).toEqual([]);
});

test("is mentioned in each line of the log", async () => {
  const { url, browser, log } = await logIn({ log: [/callback_invalid/] });
  await browser.navigate(`${url}/callback?code=x`);
  expect(log.at(-1)).toMatch(
    /^\[express-portal-auth\] callback_invalid .* More: npx express-portal-auth explain callback_invalid$/,
  );
});
