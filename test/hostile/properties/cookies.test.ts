import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { startWorld, useHost } from "../support/attack.js";
import { applyEdits, edits, runs, TIMEOUT_MS } from "../support/random-input.js";

// RFC 7516, section 5.2: a changed cookie cannot be decrypted. `encrypted-values.test.ts` tests the same
// without an app.

describe("in an app", () => {
  const host = useHost();

  test(
    "rejects every edited cookie of a login or a session with a 4xx",
    async () => {
      const { victim, base, url } = await startWorld(host());
      const callback = await victim.loginUntilCallback(`${base}/login`);
      const [login] = (await victim.jar.getCookies(url)).filter(({ key }) => key.startsWith("portal-login."));
      await victim.visit(`${base}/account`);
      const session = (await victim.cookies(url)).get("portal-session") ?? "";
      await fc.assert(
        fc.asyncProperty(edits, edits, async (loginEdits, sessionEdits) => {
          const value = applyEdits(login?.value ?? "", loginEdits);
          const id = applyEdits(session, sessionEdits);
          fc.pre(value.trim() !== login?.value && decoded(id) !== decoded(session));
          const cookie = [...`${login?.key}=${value}; portal-session=${id}`].map(latin1).join("");
          const page = await victim.navigate(callback, { headers: { cookie } });
          expect([page.status, page.body]).toEqual([
            400,
            expect.stringMatching(/login_(not_found|cookie_lost|secret_changed)/),
          ]);
          const account = await victim.fetch(`${base}/account`, { headers: { cookie } });
          expect(account.status).toBe(401);
        }),
        runs(150),
      );
    },
    TIMEOUT_MS,
  );
});

/** Decodes a value as the app does, because "%3a" instead of "%3A" is not an edit. */
function decoded(value: string): string {
  try {
    return decodeURIComponent(value.trim());
  } catch {
    return value;
  }
}

/** Replaces letters that no header may contain, because Node does not send them. */
const latin1 = (letter: string): string => (letter < "\u0100" ? letter : "?");
