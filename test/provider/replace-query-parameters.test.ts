import { expect, test } from "vitest";
import { replaceQueryParameters } from "../../lib/provider/replace-query-parameters.js";

test("of a parameter that comes twice ours stays, and what else the endpoint has", () => {
  const address = new URL("https://portal.example/a?state=evil&tenant=1&tenant=2&state=ours&nonce=n");
  expect(replaceQueryParameters(address, { state: "ours", nonce: "n" }).search).toBe(
    "?state=ours&tenant=1&tenant=2&nonce=n",
  );
});
