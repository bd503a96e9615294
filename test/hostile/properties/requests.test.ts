import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { readState, startWorld, useHost } from "../support/attack.js";
import { redirectStaysOnSite } from "../support/outcomes.js";
import { dangerousName, runs, TIMEOUT_MS } from "../support/random-input.js";

// Random requests. None may start a session or redirect to another site. A 5xx is allowed only for a failure
// of the provider.

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
/** Makes a code unique: a text that counts as a secret must not occur in other parameters. */
const asCode = (text: string): string => (text.length > 8 ? `code of ${text}` : text);
const pair = fc
  .tuple(name, value)
  .map(([key, text]): [string, string] => [key, key === "code" ? asCode(text) : text]);
const parameters = fc.array(pair, { maxLength: 8 });
/** Encodes as URLSearchParams does, or with letters that it would not encode like this. */
const query = fc.oneof(
  parameters.map((pairs) => new URLSearchParams(pairs).toString()),
  value.map((text) => new URLSearchParams({ code: asCode(text) }).toString()),
  fc.stringMatching(/^[!-~]{0,80}$/).map((text) => text.replaceAll("#", "")),
);

describe("in an app", () => {
  const host = useHost();

  test(
    "signs no user in by any query or form at the callback",
    async () => {
      const world = await startWorld(host());
      const { victim, base } = world;
      await fc.assert(
        fc.asyncProperty(query, fc.boolean(), fc.boolean(), async (text, posted, withState) => {
          const { headers } = await victim.navigate(`${base}/login`);
          const state = readState(headers.location);
          const all = withState ? `${text}&state=${state}` : text;
          const answer = posted
            ? await victim.navigate(`${base}/callback`, { method: "POST", form: new URLSearchParams(all) })
            : await victim.navigate(`${base}/callback?${all}`);
          // With the state of a pending login, the result is an error of the provider or a rejected code.
          const expected = /server_error|temporarily_unavailable/.test(all)
            ? [400, 401, 403, 303, 503]
            : [400, 401, 403, 303];
          expect(expected).toContain(answer.status);
          redirectStaysOnSite(answer, world);
          expect(await world.signedInUser(victim)).toBeUndefined();
        }),
        runs(300),
      );
      expect(world.requestsTo("/oauth2/token").length).toBeGreaterThan(10); // the input was effective: some codes reach the provider
    },
    TIMEOUT_MS,
  );

  test(
    "handles any query and any headers at every route",
    async () => {
      const world = await startWorld(host());
      const { attacker, base, provider, url } = world;
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
          fc.pre(sent["expect"] === undefined); // Node itself responds to these with 417
          const answer = await attacker.request(`${base}${at}?${text}`, { method: verb, headers: sent });
          // our routes respond to a prefetch with 503
          const isPrefetch = Object.values(sent).some((value) => /prefetch/i.test(value));
          if (answer.status !== 503 || !isPrefetch) expect(answer.status, answer.body).toBeLessThan(500);
          const { location } = answer.headers;
          if (location) expect([url, provider.issuer]).toContain(new URL(location, url).origin);
          expect(await world.signedInUser(attacker)).toBeUndefined();
        }),
        runs(400),
      );
    },
    TIMEOUT_MS,
  );

  test(
    "protects parameters of a login in an app that forwards the query of a request to the provider",
    async () => {
      const { attacker, base, provider } = await startWorld(host(), { app: { forwardsQuery: true } });
      const PROTECTED = [
        "state",
        "nonce",
        "code_challenge",
        "code_challenge_method",
        "redirect_uri",
        "client_id",
      ];
      const forwardedName = fc.oneof(
        {
          weight: 3,
          arbitrary: fc.constantFrom("prompt", "login_hint", "ui_locales", "acr_values", "max_age", "scope"),
        },
        {
          weight: 1,
          arbitrary: fc.constantFrom(...PROTECTED, "request_uri", "response_type", "response_mode"),
        },
        { weight: 1, arbitrary: dangerousName },
      );
      const forwardedQuery = fc.array(
        fc.tuple(fc.tuple(forwardedName, fc.constantFrom("", "", "[]", "[a]")), value),
        {
          maxLength: 4,
        },
      );
      let started = 0;
      await fc.assert(
        fc.asyncProperty(forwardedQuery, async (pairs) => {
          const text = new URLSearchParams(
            pairs.map(([names, content]): [string, string] => [names.join(""), content]),
          );
          const { status, headers, body } = await attacker.navigate(`${base}/login?${text}`);
          if (status !== 302) {
            expect([status, body]).toEqual([500, expect.stringContaining("authorization_params_invalid")]);
            return;
          }
          started += 1;
          const target = new URL(headers.location ?? "");
          expect(target.href.startsWith(`${provider.issuer}/oauth2/authorize?`)).toBe(true);
          for (const name of PROTECTED.filter(
            (parameter) => parameter !== "nonce" || target.searchParams.has(parameter),
          ))
            expect(target.searchParams.getAll(name)).toHaveLength(1);
          expect(target.searchParams.getAll("redirect_uri")).toEqual([`${base}/callback`]);
          expect(target.searchParams.getAll("response_type")).toEqual(["code"]);
          expect(target.searchParams.get("scope")?.split(" ")).toContain("openid");
          for (const parameter of ["request", "request_uri"])
            expect(target.searchParams.has(parameter)).toBe(false);
        }),
        runs(200),
      );
      expect(started).toBeGreaterThan(20);
    },
    TIMEOUT_MS,
  );
});
