import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { startWorld, stateOf, useHost } from "../support/attack.js";
import { staysHere } from "../support/outcomes.js";
import { dangerousName, PATIENCE_MS, tries } from "../support/property.js";

// Whatever is asked: never a session, never a way to another site, and a 5xx only where the portal is said to be at fault.

const name = fc.oneof(
  fc.constantFrom(
    "state",
    "code",
    "error",
    "error_description",
    "iss",
    "session_state",
    "state[]",
    "returnTo",
    "confirmation",
  ),
  dangerousName,
  fc.string({ maxLength: 8 }),
);
const value = fc.oneof(
  fc.string({ unit: "binary", maxLength: 200 }),
  fc.constantFrom(
    "",
    "access_denied",
    "login_required",
    "server_error",
    "\0",
    "\r\nX: y",
    "//evil.example",
    "<script>",
  ),
);
const parameters = fc.array(fc.tuple(name, value), { maxLength: 8 });
/** As URLSearchParams would write them, or with letters that it would not. */
const query = fc.oneof(
  parameters.map((pairs) => new URLSearchParams(pairs).toString()),
  fc.stringMatching(/^[!-~]{0,80}$/).map((text) => text.replaceAll("#", "")),
);

describe("in an app", () => {
  const host = useHost();

  test(
    "the callback takes any query and any form, and signs in nobody",
    async () => {
      const world = await startWorld(host());
      const { victim, base } = world;
      const begun = await victim.navigate(`${base}/login`);
      const state = stateOf(begun.headers.location);
      await fc.assert(
        fc.asyncProperty(query, fc.boolean(), fc.boolean(), async (text, posted, withState) => {
          const all = withState ? `${text}&state=${state}` : text;
          const answer = posted
            ? await victim.navigate(`${base}/callback`, { method: "POST", form: new URLSearchParams(all) })
            : await victim.navigate(`${base}/callback?${all}`);
          // with the state of a login that waits, an error of the portal's is told as one, or a code refused
          const expected = /server_error|temporarily_unavailable/.test(all)
            ? [400, 401, 403, 303, 503]
            : [400, 401, 403, 303];
          expect(expected).toContain(answer.status);
          staysHere(answer, world);
          expect(await world.whoIs(victim)).toBeUndefined();
        }),
        tries(300),
      );
    },
    PATIENCE_MS,
  );

  test(
    "every route takes any query and any headers",
    async () => {
      const world = await startWorld(host());
      const { stranger, base, portal, url } = world;
      const headerName = fc.constantFrom(
        "accept",
        "sec-fetch-mode",
        "sec-fetch-site",
        "sec-fetch-dest",
        "sec-purpose",
        "purpose",
        "origin",
        "referer",
        "cookie",
        "host",
        "x-forwarded-host",
        "x-forwarded-proto",
        "x-forwarded-for",
        "content-type",
        "accept-language",
        "authorization",
        "range",
        "if-none-match",
        "expect",
        "x-http-method-override",
      );
      const headerValue = fc.oneof(
        fc.stringMatching(/^[ -~\u0080-\u00ff]{0,60}$/),
        fc.constantFrom(
          "navigate",
          "cors",
          "none",
          "same-origin",
          "cross-site",
          "text/html",
          "*/*",
          "prefetch",
          "https",
          "evil.example",
          "application/x-www-form-urlencoded",
        ),
      );
      const headers = fc.dictionary(headerName, headerValue, { maxKeys: 5 });
      const path = fc.constantFrom(
        "/login",
        "/callback",
        "/logout",
        "/account",
        "/",
        "/me",
        "/login/",
        "/LOGIN",
        "//login",
        "/callback/..",
        "/%6cogin",
      );
      const method = fc.constantFrom("GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH");
      await fc.assert(
        fc.asyncProperty(method, path, query, headers, async (verb, at, text, sent) => {
          fc.pre(sent["expect"] === undefined); // Node answers those itself, with 417
          const answer = await stranger.request(`${base}${at}?${text}`, { method: verb, headers: sent });
          expect(answer.status, answer.body).toBeLessThan(500);
          const { location } = answer.headers;
          if (location) expect([url, portal.issuer]).toContain(new URL(location, url).origin);
          expect(await world.whoIs(stranger)).toBeUndefined();
        }),
        tries(400),
      );
    },
    PATIENCE_MS,
  );
});
