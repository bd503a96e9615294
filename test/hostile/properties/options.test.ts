import fc from "fast-check";
import { expect, test } from "vitest";
import { PortalAuthError } from "../../../lib/index.js";
import { OptionsSchema, VARIABLES } from "../../../lib/settings/option-table.js";
import { resolveSettings } from "../../../lib/settings/resolve-options.js";
import { json, runs } from "../support/random-input.js";

const GOOD = {
  issuer: "https://portal.example",
  clientId: "demo-app",
  clientSecret: "a-client-secret-that-no-error-may-show",
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
const randomOptions = fc.dictionary(
  fc.constantFrom(...Object.keys(OptionsSchema.entries), "__proto__", "unknown"),
  value,
  {
    maxKeys: 6,
  },
);
const randomEnvironment = fc.dictionary(
  fc.constantFrom(...Object.values(VARIABLES), "PORTAL_TYPO"),
  fc.string({ unit: "binary" }),
  { maxKeys: 6 },
);

/** Returns the settings, or the error options_invalid. Any other error fails the test. */
function resolve(options: object, env: NodeJS.ProcessEnv) {
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
    fc.property(randomOptions, randomEnvironment, (wrong, env) => {
      const resolved = resolve({ ...GOOD, ...wrong }, env);
      if (!(resolved instanceof Error)) expect(Object.isFrozen(resolved)).toBe(true);
    }),
    runs(5000),
  );
});

test("never repeats a secret in an error", () => {
  const secret = fc.stringMatching(/^[A-Za-z0-9:/@_.-]{12,40}$/);
  fc.assert(
    fc.property(
      fc.constantFrom(...SECRETS),
      secret,
      randomOptions,
      randomEnvironment,
      (name, text, wrong, env) => {
        const resolved = resolve({ ...wrong, [name]: text }, env);
        if (resolved instanceof Error) expect(resolved.message).not.toContain(text);
      },
    ),
    runs(3000),
  );
});

test("accepts only URLs with https, or on this machine's loopback", () => {
  const urls = fc.oneof(
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
      urls,
      fc.constantFrom("issuer", "userinfoUrl", "revocationUrl", "logoutUrl", "postLogoutRedirectUri"),
      (text, name) => {
        const resolved = resolve({ ...GOOD, [name]: text }, {});
        if (resolved instanceof Error) return;
        const { protocol, hostname, username } = new URL(resolved[name] as string);
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
