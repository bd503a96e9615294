import { describe, expect, test, vi } from "vitest";
import { parseAuthorizationResponse } from "../../lib/callback/authorization-response.js";

const parse = (query: string) => parseAuthorizationResponse(new URLSearchParams(query));
const repeat = (length: number) => "a".repeat(length);

describe("an authorization response", () => {
  test.each([
    ["a code", "state=s&code=c", { state: "s", iss: undefined, code: "c" }],
    [
      "a code and an issuer",
      "state=s&code=c&iss=i",
      { state: "s", iss: "i", code: "c", members: { iss: "i" } },
    ],
    [
      "a code and other members",
      "state=s&code=c&user=%7B%22name%22%3A1%7D&session_state=a.b&constructor=x",
      {
        state: "s",
        iss: undefined,
        code: "c",
        members: { user: '{"name":1}', session_state: "a.b", constructor: "x" },
      },
    ],
    [
      "a code beside unverified tokens, an empty member, and a prototype",
      "state=s&code=c&id_token=a&access_token=b&refresh_token=c&empty=&__proto__=x",
      { state: "s", iss: undefined, code: "c" },
    ],
    [
      "a member of the maximum length",
      `state=s&code=c&x=${repeat(4088)}`,
      { state: "s", iss: undefined, code: "c", members: { x: repeat(4088) } },
    ],
    ["an error", "state=s&error=e&error_uri=u", { state: "s", iss: undefined, error: "e" }],
    [
      "an error with its description",
      "state=s&error=e&error_description=d%0A1",
      { state: "s", iss: undefined, error: "e", error_description: "d 1" },
    ],
    ["an error beside an empty code", "state=s&error=e&code=", { state: "s", iss: undefined, error: "e" }],
    ["a code beside an empty error", "state=s&error=&code=c", { state: "s", iss: undefined, code: "c" }],
    ["an unknown parameter, twice", "state=s&code=c&x=1&x=2", { state: "s", iss: undefined, code: "c" }],
    [
      "a code of the maximum length",
      `state=s&code=${repeat(8192)}`,
      { state: "s", iss: undefined, code: repeat(8192) },
    ],
    [
      "an error with a description over 8 KiB, which is omitted",
      `state=s&error=e&error_description=${repeat(9000)}`,
      { state: "s", iss: undefined, error: "e" },
    ],
  ])("is accepted with %s", (_name, query, response) => {
    expect(parse(query)).toEqual(response);
  });

  test.each([
    ["state=s", "neither code nor error"],
    ["state=s&code=&error=", "neither code nor error"],
    ["code=c", "state missing"],
    ["state=&code=c", "state missing"],
    ["error=access_denied", "state missing, error access_denied"],
    ["error=a%0Ab<", "state missing, error a?b?"],
    ["state=s&code=c&error=e", "code and error"],
    [`state=s&code=c&x=${repeat(4089)}`, "the members beside code and state have 4097 bytes, over 4096"],
    [
      `state=s&code=c&x=${encodeURIComponent("密".repeat(1363))}`,
      "the members beside code and state have 4097 bytes, over 4096",
    ],
    ...["state", "code", "error", "error_description", "error_uri", "iss", "session_state"].map((name) => [
      `state=s&code=c&${name}=1&${name}=2`,
      `${name} more than once`,
    ]),
    ...["state", "code", "error", "iss"].map((name) => [
      `${name}=${repeat(8193)}`,
      `${name} over 8192 characters`,
    ]),
  ])("%s is rejected with the detail: %s", (query, detail) => {
    expect(() => parse(query as string)).toThrow(
      expect.objectContaining({ code: "callback_invalid", detail }),
    );
  });
});

test("a form of 20,000 names is parsed in linear time, without a search for each name", () => {
  const names = Array.from({ length: 20_000 }, (_, index) => index.toString(36));
  const parameters = new URLSearchParams(`state=s&code=c&${names.map((name) => `${name}=`).join("&")}`);
  const lookUp = vi.spyOn(parameters, "getAll");
  expect(parseAuthorizationResponse(parameters)).toEqual({ state: "s", iss: undefined, code: "c" });
  expect(lookUp.mock.calls.length).toBeLessThan(20);
});
