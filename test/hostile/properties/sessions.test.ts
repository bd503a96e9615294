import type { Request } from "express";
import fc from "fast-check";
import { expect, test } from "vitest";
import { readSession } from "../../../lib/session/session.js";
import { KeptPortalSession } from "../../../lib/session/stored.js";
import { createVault } from "../../../lib/session/vault.js";
import { json, tries } from "../support/property.js";

// Others may write to a store, and what they write is no reason to fall over.

const rules = {
  name: undefined,
  issuer: "https://portal.example",
  clientId: "demo-app",
  redirectUri: "https://app.example/callback",
  sessionAbsolute: 3600,
  clock: () => 1_000_000,
};
const kept = {
  claims: { sub: "amara-okafor" },
  tokens: { access_token: "x", token_type: "bearer" },
  issuer: rules.issuer,
  client_id: rules.clientId,
  redirect_uri: rules.redirectUri,
  started_at: 900,
  obtained_at: 900,
  version: 1,
};
const content = fc.oneof(
  json,
  fc.dictionary(fc.constantFrom(...Object.keys(kept)), json).map((lies) => ({ ...kept, ...lies })),
);

test("whatever a store holds under our key, a person is known by a session that is whole, or not at all", () => {
  fc.assert(
    fc.property(content, (portal) => {
      // as the keeper hands it to a request; what has not gone through its hands is nobody's login
      const kept = portal && new KeptPortalSession(portal as never);
      const session = readSession({ session: { portal: kept } } as unknown as Request, rules);
      expect(readSession({ session: { portal } } as unknown as Request, rules)).toBeUndefined();
      if (session === undefined) return;
      expect([session.issuer, session.client_id, session.redirect_uri]).toEqual([
        rules.issuer,
        rules.clientId,
        rules.redirectUri,
      ]);
      expect(typeof session.tokens.access_token).toBe("string");
      expect(session.claims).toBeTruthy();
      expect(1000 < session.started_at + rules.sessionAbsolute).toBe(true);
    }),
    tries(3000),
  );
});

test("whatever stands in place of sealed tokens opens nothing, and throws nothing", () => {
  const vault = createVault(["0123456789abcdef0123456789abcdef"], () => {});
  fc.assert(
    fc.property(content, fc.string({ unit: "binary" }), (portal, tokens) => {
      const stored = { ...(portal as object), tokens } as never;
      expect(vault.open("id", stored)).toBeUndefined();
    }),
    tries(2000),
  );
});
