import { describe, expect, test } from "vitest";
import { cleanDescription } from "../../lib/provider/clean-description.js";

const SECRET = "pass word+ü";
const TOKEN = "8xLOxBtZp8Yk3mQw9RtVbN4c";

describe("a description", () => {
  test.each([
    ["stays unchanged if it is harmless", "Your e-mail is not verified", "Your e-mail is not verified"],
    ["keeps other scripts", "用户未验证邮箱 – é", "用户未验证邮箱 – é"],
    ["becomes one line", "first\r\nsecond\u2028third\tfourth", "first second third fourth"],
    ["loses terminal codes", "\u001b[31mred\u001b]0;title\u0007\u009b2J", "[31mred ]0;title 2J"],
    ["loses characters that change the direction of text", "a\u202eb\u2066c\ufeff", "a b c"],
    ["loses quotation marks", 'x" fake', "x' fake"],
    ["is cut after 300 characters", "ab ".repeat(1000), `${"ab ".repeat(100)}…`],
    ["is not cut inside a character", `${"a ".repeat(149)}b😀`, `${"a ".repeat(149)}b…`],
    ["without printable characters is omitted", " \u0000 ", undefined],
    ["that is not a string is omitted", ["x"], undefined],
  ])("%s", (_name, description, cleaned) => {
    expect(cleanDescription(description)).toBe(cleaned);
  });

  test.each([
    ["a token", `code ${TOKEN} was used`, "code […] was used"],
    ["a JWT", `eyJhbGciOiJSUzI1NiJ9eyJhbGci.${TOKEN}.${TOKEN}`, "[…].[…].[…]"],
    ["a GUID, which some providers use as a code", "Trace 00000003-0000-0ff1-ce00-000000000000", "Trace […]"],
    ["a secret", `client_secret=${SECRET} is wrong`, "client_secret=[…] is wrong"],
    ["a form-encoded secret", "client_secret=pass+word%2B%C3%BC", "client_secret=[…]"],
  ])("loses %s", (_name, description, cleaned) => {
    expect(cleanDescription(description, [undefined, "", SECRET])).toBe(cleaned);
  });

  test("keeps long words that are not tokens", () => {
    const words = "account_selection_required: Rindfleischetikettierungsueberwachung";
    expect(cleanDescription(words.toLowerCase())).toBe(words.toLowerCase());
  });

  test.each([4090, 4095, 4096, 4100])(
    "loses a secret and a token at the place where it is cut, at %i",
    (at) => {
      const filler = `${"😀".repeat(100)}${`${TOKEN} `.repeat(1000)}`.slice(0, at - 8);
      for (const hidden of [SECRET, TOKEN]) {
        const cleaned = cleanDescription(`${filler} ${hidden} end`, [SECRET]) ?? "";
        for (let length = 4; length <= hidden.length; length += 1)
          expect(cleaned).not.toContain(hidden.slice(0, length));
      }
    },
  );

  test("of a million characters is cleaned within 0.5 s", () => {
    for (const text of ["a1", "a1 ", "://", " ", "\u202e", '"', "[", "a".repeat(23).concat(" ")]) {
      const startedAt = performance.now();
      cleanDescription(text.repeat(1_000_000 / text.length), [SECRET]);
      expect(performance.now() - startedAt, text).toBeLessThan(500);
    }
  });
});
