import { expect, test } from "vitest";
import { replaceQueryParameters } from "../../lib/provider/replace-query-parameters.js";

test("our value replaces a repeated parameter, and other parameters of the endpoint stay", () => {
  const url = new URL("https://portal.example/a?state=evil&tenant=1&tenant=2&state=ours&nonce=n");
  expect(replaceQueryParameters(url, { state: "ours", nonce: "n" }).search).toBe(
    "?state=ours&tenant=1&tenant=2&nonce=n",
  );
});
