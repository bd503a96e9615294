import { EventEmitter } from "node:events";
import type { Request, Response } from "express";
import type { SessionData } from "express-session";
import fc from "fast-check";
import { expect, test } from "vitest";
import { getUser, getUserListName } from "../../../lib/session/login-index.js";
import { LoginState } from "../../../lib/session/login-state.js";
import type { LoginStorage } from "../../../lib/session/login-storage.js";
import { Logins } from "../../../lib/session/logins.js";
import { createRecordCodec } from "../../../lib/session/record-codec.js";
import { createMemoryStore } from "../../../lib/store/memory-store.js";
import { PortalSessionStore } from "../../../lib/store/portal-session-store.js";
import { json, runs, TIMEOUT_MS } from "../support/random-input.js";

// Other programs can write to a store. A request must never fail because of their values.

const ID = "the-id-of-the-session";
const KEY = "0123456789abcdef0123456789abcdef";
const HOUR_MS = 3_600_000;
const NOW_MS = 1_000_000;

const policy = {
  name: undefined,
  issuer: "https://portal.example",
  clientId: "demo-app",
  redirectUri: "https://app.example/callback",
  sessionAbsolute: 3600,
  clock: () => NOW_MS,
};
const record = {
  login_id: "login",
  session_id: ID,
  claims: { sub: "amara-okafor" },
  tokens: { access_token: "x", token_type: "bearer" },
  authentication: { sid: "sid", iat: 900 },
  issuer: policy.issuer,
  client_id: policy.clientId,
  redirect_uri: policy.redirectUri,
  started_at: 900,
  obtained_at: 900,
  idle_ms: HOUR_MS,
  version: 1,
};

/** A record with some members replaced, or another value. */
const recordLike = fc.oneof(
  json,
  fc.dictionary(fc.constantFrom(...Object.keys(record)), json).map((wrong) => ({ ...record, ...wrong })),
  // Logout notices are compared with such a login.
  fc.oneof(json, fc.dictionary(fc.constantFrom("sid", "iat"), json)).map((authentication) => ({
    ...record,
    idle_ms: 2 * HOUR_MS,
    authentication,
  })),
);
const text = fc.oneof(fc.string({ unit: "binary" }), recordLike.map(stringify));

function stringify(value: unknown): string {
  return JSON.stringify(value);
}

/** Loads a request whose session contains this text instead of a login record. */
async function loadRequestWith(stored: string) {
  const store = new PortalSessionStore(createMemoryStore(policy.clock));
  const { entries } = store;
  const logins = new Logins({
    records: entries,
    codec: createRecordCodec([], () => {}),
    absoluteSeconds: policy.sessionAbsolute,
    hasProviderSessionLists: true,
    warn: () => {},
  });
  await logins.addNotice(getUserListName(getUser(record)), {
    reason: "backchannel",
    sid: "another",
    iat: 900,
    tolerance: 30,
  });
  await entries.createEntry(`s:${ID}`, { cookie: stringify({ path: "/" }) }, stored, HOUR_MS);
  const data = await new Promise<SessionData>((resolve, reject) =>
    store.get(ID, (error, found) => (found ? resolve(found) : reject(error))),
  );
  const req = { sessionID: ID, sessionStore: store } as unknown as Request;
  req.session = store.createSession(req, data) as Request["session"];
  const storage: LoginStorage = {
    logins,
    isOurStore: true,
    policy,
    portalAuthId: "id",
    lifetime: { getLifeMs: () => HOUR_MS },
    keepSessionKeys: [],
    onFoundEnded: () => {},
    warn: () => {},
  };
  const login = new LoginState(req, storage, undefined);
  await login.load(new EventEmitter() as unknown as Response);
  return { req, login: login.getView(policy) };
}

test("accepts a complete record as a login", async () => {
  const { req, login } = await loadRequestWith(stringify(record));
  expect(login).toMatchObject({ claims: record.claims, tokens: record.tokens });
  expect(req.session.portal).toBe(login);
});

test(
  "identifies a user by a complete login record, and by nothing else in a store",
  async () => {
    await fc.assert(
      fc.asyncProperty(text, async (stored) => {
        const { req, login } = await loadRequestWith(stored);
        expect(req.session.portal).toBe(login);
        if (login === undefined) return;
        expect([login.issuer, login.client_id, login.redirect_uri]).toEqual([
          policy.issuer,
          policy.clientId,
          policy.redirectUri,
        ]);
        expect(typeof login.tokens.access_token).toBe("string");
        expect(typeof login.claims.sub).toBe("string");
        expect(NOW_MS / 1000 < login.started_at + policy.sessionAbsolute).toBe(true);
      }),
      runs(3000),
    );
  },
  TIMEOUT_MS,
);

test("returns undefined for any value instead of an encrypted record", () => {
  const codec = createRecordCodec([KEY], () => {});
  const otherRecord = codec.encode("s:another", { ...record, session_id: "another" });
  fc.assert(
    fc.property(fc.oneof(text, fc.constant(otherRecord)), (stored) => {
      expect(codec.decode(`s:${ID}`, stored)).toBeUndefined();
    }),
    runs(2000),
  );
});
