import fc from "fast-check";
import { expect, test } from "vitest";
import { PortalAuthError } from "../../../lib/index.js";
import { OptionsSchema, VARIABLES } from "../../../lib/settings/option-table.js";
import { resolveSettings } from "../../../lib/settings/resolve-options.js";
import { json, runs } from "../support/random-input.js";

const GOOD = {
  issuer: "https://portal.example",
  clientId: "demo-app",
  clientSecret: "a-client-secret-that-nobody-may-read",
  redirectUri: "https://app.example/callback",
  secret: "0123456789abcdef0123456789abcdef",
};

const SECRETS = ["clientSecret", "secret", "tokenEncryptionKey", "store"] as const;

const value = fc.oneof(
  json,
  fc.string({ unit: "binary" }),
  fc.constantFrom(
    undefined,
    null,
    Number.NaN,
    Number.POSITIVE_INFINITY,
    () => "x",
    Symbol.iterator,
    10n,
    new Date(0),
    /x/,
  ),
  fc.webUrl(),
  fc.anything({ withNullPrototype: true, withBigInt: true, maxDepth: 1 }),
);
const given = fc.dictionary(
  fc.constantFrom(...Object.keys(OptionsSchema.entries), "__proto__", "unknown"),
  value,
  {
    maxKeys: 6,
  },
);
const environment = fc.dictionary(
  fc.constantFrom(...Object.values(VARIABLES), "PORTAL_TYPO"),
  fc.string({ unit: "binary" }),
  { maxKeys: 6 },
);

/** Returns the settings, or the one error that exists for options. Any other error fails the test. */
function settle(options: object, env: NodeJS.ProcessEnv) {
  try {
    return resolveSettings(options, env);
  } catch (error) {
    expect(error).toBeInstanceOf(PortalAuthError);
    expect((error as PortalAuthError).code).toBe("options_invalid");
    return error as PortalAuthError;
  }
}

test("resolves any options, or rejects them as options_invalid", () => {
  fc.assert(
    fc.property(given, environment, (wrong, env) => {
      const settled = settle({ ...GOOD, ...wrong }, env);
      if (!(settled instanceof Error)) expect(Object.isFrozen(settled)).toBe(true);
    }),
    runs(5000),
  );
});

test("never repeats a secret in an error", () => {
  const secret = fc.stringMatching(/^[A-Za-z0-9:/@_.-]{12,40}$/);
  fc.assert(
    fc.property(fc.constantFrom(...SECRETS), secret, given, environment, (name, text, wrong, env) => {
      const settled = settle({ ...wrong, [name]: text }, env);
      if (settled instanceof Error) expect(settled.message).not.toContain(text);
    }),
    runs(3000),
  );
});

test("accepts only URLs with https, or on this machine's loopback", () => {
  const address = fc.oneof(
    fc.webUrl({ validSchemes: ["http", "https", "ftp"] }),
    fc.string(),
    fc.constantFrom(
      "javascript:x",
      "http://127.0.0.1",
      "http://127.0.0.1.evil.example",
      "http://[::1]:80",
      "https://a@b",
    ),
  );
  fc.assert(
    fc.property(
      address,
      fc.constantFrom("issuer", "userinfoUrl", "revocationUrl", "logoutUrl", "postLogoutRedirectUri"),
      (text, name) => {
        const settled = settle({ ...GOOD, [name]: text }, {});
        if (settled instanceof Error) return;
        const { protocol, hostname, username } = new URL(settled[name] as string);
        expect(
          protocol === "https:" ||
            (protocol === "http:" && /^(127\.\d+\.\d+\.\d+|localhost|\[::1\])$/.test(hostname)),
        ).toBe(true);
        expect(username).toBe("");
      },
    ),
    runs(3000),
  );
});
