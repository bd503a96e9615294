import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { PortalAuthErrorCode } from "../../../lib/index.js";
import { CLIENT_ID } from "../../support/world.js";
import { signIn, startWorld, useHost, type World } from "../support/attack.js";
import { createAttackerKey, signingInput } from "../support/jwt.js";
import { applyEdits, dangerousName, edits, json, runs, TIMEOUT_MS } from "../support/random-input.js";

// Random responses of the provider. No session may start without a verified ID token, and every failure has a
// code.

const LOGIN_FAILURES: readonly PortalAuthErrorCode[] = [
  "portal_answer_invalid",
  "portal_failed",
  "id_token_missing",
  "id_token_invalid",
  "id_token_signature_invalid",
  "nonce_mismatch",
  "token_refused",
  "client_unknown",
  "client_refused",
  "code_refused",
  "grant_type_refused",
  "discovery_invalid",
  "issuer_mismatch",
];

/** Signs the victim in, and returns whether that succeeded. If not, the failure must have a code. */
async function canSignIn(world: World): Promise<boolean> {
  const answer = await signIn(world);
  const sub = await world.signedInUser(world.victim);
  if (sub !== undefined) {
    expect([answer.status, answer.body]).toEqual([200, JSON.stringify({ sub })]);
    return true;
  }
  expect(
    LOGIN_FAILURES.some((code) => answer.body.includes(`${code} · `)),
    answer.body,
  ).toBe(true);
  return false;
}

const withoutCookies = async (world: World, run: () => Promise<void>): Promise<void> => {
  await world.victim.jar.removeAllCookies();
  await run();
};

describe("in an app", () => {
  const host = useHost();

  test(
    "handles a token response with any members",
    async () => {
      const world = await startWorld(host());
      const member = fc.oneof(
        {
          weight: 4,
          arbitrary: fc.constantFrom(
            "access_token",
            "token_type",
            "expires_in",
            "refresh_token",
            "id_token",
            "scope",
            "error",
            "refresh_expires_in",
          ),
        },
        { weight: 1, arbitrary: dangerousName },
      );
      const members = fc.array(fc.tuple(member, fc.oneof(json, fc.constantFrom("Bearer", 300, "x", ""))), {
        maxLength: 4,
      });
      await fc.assert(
        fc.asyncProperty(members, (wrong) =>
          withoutCookies(world, async () => {
            let sent: Record<string, unknown> = {};
            let genuine: unknown;
            world.provider.writeNextTokenResponse((text) => {
              genuine = JSON.parse(text).id_token;
              const body = withMembers(text, wrong);
              sent = JSON.parse(body);
              return { body, headers: { "content-type": "application/json" } };
            });
            if (!(await canSignIn(world))) return;
            expect(sent["id_token"]).toBe(genuine);
            expect(typeof sent["access_token"] === "string" && sent["access_token"] !== "").toBe(true);
            expect(String(sent["token_type"]).toLowerCase()).toBe("bearer");
          }),
        ),
        runs(150),
      );
    },
    TIMEOUT_MS,
  );

  test(
    "handles a response with any text, type and status",
    async () => {
      const world = await startWorld(host());
      const type = fc.constantFrom(
        "application/json",
        "text/html",
        "application/jwt",
        "",
        "application/json; charset=x",
      );
      const body = fc.oneof(
        json.map((value) => JSON.stringify(value)),
        fc.string({ unit: "binary" }),
      );
      // 407 is a network error for fetch itself
      const otherStatus = fc.integer({ min: 201, max: 599 }).filter((code) => code !== 407);
      const status = fc.oneof(fc.constantFrom(200, 200, 400, 401), otherStatus);
      await fc.assert(
        fc.asyncProperty(status, type, body, (code, contentType, text) =>
          withoutCookies(world, async () => {
            world.provider.answerNext("/oauth2/token", (_req, res) => {
              res
                .writeHead(code, { ...(contentType && { "content-type": contentType }), connection: "close" })
                .end(text);
            });
            expect(await canSignIn(world)).toBe(false);
          }),
        ),
        runs(150),
      );
    },
    TIMEOUT_MS,
  );

  test(
    "signs a user in only by an ID token in which all claims are valid",
    async () => {
      const world = await startWorld(host(), { provider: { document: "full" } });
      const { provider } = world;
      const now = () => Math.floor(Date.now() / 1000);
      const time = fc.oneof(
        fc.integer({ min: -200, max: 2000 }).map((ahead) => ({ ahead })),
        json,
        fc.constant(undefined),
      );
      const claims = someOf({
        iss: fc.oneof(fc.constant(provider.issuer), json),
        sub: fc.oneof(fc.constant("amara-okafor"), json),
        aud: fc.oneof(fc.constantFrom(CLIENT_ID, [CLIENT_ID], [CLIENT_ID, "x"], ["x"]), json),
        azp: fc.oneof(fc.constantFrom(CLIENT_ID, "x"), json),
        exp: time,
        iat: time,
        nbf: time,
        nonce: json,
        at_hash: json,
        auth_time: json,
      });
      const counts = { accepted: 0, rejected: 0 };
      await fc.assert(
        fc.asyncProperty(claims, fc.dictionary(dangerousName, json, { maxKeys: 2 }), (random, dangerous) =>
          withoutCookies(world, async () => {
            const wrong = { ...dangerous, ...random };
            const changes = Object.fromEntries(
              Object.entries(wrong).map(([key, value]) => [
                key,
                isAhead(value) ? now() + value.ahead : value,
              ]),
            );
            let sent: Record<string, unknown> = {};
            let original: Record<string, unknown> = {};
            provider.nextIdToken({
              forge(genuine, sign) {
                original = genuine;
                sent = JSON.parse(JSON.stringify({ ...genuine, ...changes }));
                const text = signingInput({ alg: "RS256" }, sent);
                return `${text}.${sign(text)}`;
              },
            });
            const before = now();
            const isAccepted = await canSignIn(world);
            counts[isAccepted ? "accepted" : "rejected"] += 1;
            if (isAccepted) expect(await world.signedInUser(world.victim)).toBe(sent["sub"]);
            const isValidAt = createClaimsCheck(sent, original, provider.issuer);
            // at the edge of the tolerance, the time of the check decides
            if (isValidAt(before) === isValidAt(now())) expect(isAccepted).toBe(isValidAt(now()));
          }),
        ),
        runs(200),
      );
      expect(Math.min(counts.accepted, counts.rejected)).toBeGreaterThan(10); // both occur
    },
    TIMEOUT_MS,
  );

  test(
    "signs a user in only by an ID token whose signature is valid for the announced algorithm",
    async () => {
      const world = await startWorld(host());
      const header = someOf({
        alg: fc.oneof(fc.constantFrom("none", "HS256", "PS256"), json),
        kid: json,
        typ: fc.oneof(fc.constantFrom("JWT", "at+jwt", "application/logout+jwt"), json),
        cty: json,
        crit: fc.oneof(fc.constantFrom(["exp"], ["b64"], []), json),
        b64: fc.oneof(fc.boolean(), json),
        jwk: fc.oneof(fc.constant(attackerKey.jwk), json),
        jku: json,
        zip: fc.oneof(fc.constant("DEF"), json),
      }).map((wrong) => ({ alg: "RS256", ...wrong }));
      const counts = { accepted: 0, rejected: 0 };
      await fc.assert(
        fc.asyncProperty(fc.oneof({ weight: 5, arbitrary: header }, json), (wrong) =>
          withoutCookies(world, async () => {
            world.provider.nextIdToken({
              forge(claims, sign) {
                const text = signingInput(JSON.stringify(wrong), claims);
                return `${text}.${sign(text)}`;
              },
            });
            const isAccepted = await canSignIn(world);
            counts[isAccepted ? "accepted" : "rejected"] += 1;
            if (!isAccepted) return;
            const { alg, crit, typ } = wrong as Record<string, unknown>;
            expect([alg, crit]).toEqual(["RS256", undefined]);
            expect(String(typ)).not.toMatch(/at\+jwt|logout\+jwt/i);
          }),
        ),
        runs(150),
      );
      expect(Math.min(counts.accepted, counts.rejected)).toBeGreaterThan(10);
    },
    TIMEOUT_MS,
  );

  test(
    "signs no user in by an edited ID token",
    async () => {
      const world = await startWorld(host());
      await fc.assert(
        fc.asyncProperty(edits, (changes) =>
          withoutCookies(world, async () => {
            let isUnchanged = false;
            world.provider.nextIdToken({
              forge(claims, sign) {
                const text = signingInput({ alg: "RS256" }, claims);
                const genuine = `${text}.${sign(text)}`;
                const token = applyEdits(genuine, changes);
                isUnchanged = isSameToken(token, genuine);
                return token;
              },
            });
            expect((await canSignIn(world)) && !isUnchanged).toBe(false);
          }),
        ),
        runs(150),
      );
    },
    TIMEOUT_MS,
  );

  test(
    "returns userinfo only if it is JSON about this user",
    async () => {
      const world = await startWorld(host());
      const { victim, base, provider } = world;
      await signIn(world);
      const about = fc.dictionary(
        fc.oneof(fc.constantFrom("sub", "error", "email"), dangerousName),
        fc.oneof(fc.constant("amara-okafor"), json),
        { maxKeys: 4 },
      );
      const text = fc.oneof(
        about.map((claims) => JSON.stringify({ sub: "amara-okafor", ...claims })),
        json.map((value) => JSON.stringify(value)),
        fc.string({ unit: "binary" }),
      );
      const status = fc.oneof({ weight: 3, arbitrary: fc.constant(200) }, fc.integer({ min: 201, max: 499 }));
      const type = fc.constantFrom(
        "application/json",
        "application/json",
        "text/html",
        "application/jwt",
        "",
      );
      const counts = { accepted: 0, rejected: 0 };
      await fc.assert(
        fc.asyncProperty(status, type, text, async (code, contentType, sent) => {
          fc.pre(code !== 401); // a rejected token is refreshed, which other tests cover
          // fetch itself repeats the request then, or fails (Fetch Standard, HTTP-network-or-cache fetch)
          fc.pre(code !== 421 && code !== 407);
          provider.answerNext("/userinfo", (_req, res) => {
            res
              .writeHead(code, { ...(contentType && { "content-type": contentType }), connection: "close" })
              .end(sent);
          });
          const answer = await victim.fetch(`${base}/userinfo`);
          expect(await world.signedInUser(victim)).toBe("amara-okafor");
          counts[answer.status === 200 ? "accepted" : "rejected"] += 1;
          if (answer.status !== 200) {
            expect(USERINFO_FAILURES).toContain(JSON.parse(answer.body).code);
            return;
          }
          expect([code, JSON.parse(answer.body).sub, JSON.parse(sent).sub]).toEqual([
            200,
            "amara-okafor",
            "amara-okafor",
          ]);
          expect(Object.keys(JSON.parse(answer.body))).not.toContain("__proto__");
        }),
        runs(200),
      );
      expect(Math.min(counts.accepted, counts.rejected)).toBeGreaterThan(10);
    },
    TIMEOUT_MS,
  );

  test(
    "handles a discovery document and keys with any members",
    async () => {
      const name = fc.oneof(
        fc.constantFrom(
          "issuer",
          "token_endpoint",
          "authorization_endpoint",
          "jwks_uri",
          "userinfo_endpoint",
          "end_session_endpoint",
          "id_token_signing_alg_values_supported",
          "authorization_response_iss_parameter_supported",
          "token_endpoint_auth_methods_supported",
          "mtls_endpoint_aliases",
        ),
        dangerousName,
      );
      const wrong = fc.dictionary(name, json, { maxKeys: 3 });
      await fc.assert(
        fc.asyncProperty(wrong, fc.array(json, { maxLength: 3 }), async (members, keys) => {
          const world = await startWorld(host());
          world.provider.alterDiscovery((document) => ({ ...document, ...members }));
          world.provider.alterKeys((set) => ({ keys: [...keys, ...set.keys] }));
          await canSignIn(world);
          world.provider.clearFaults(); // if the document is rejected, the app does not fetch its keys
        }),
        runs(60),
      );
    },
    TIMEOUT_MS,
  );
});

describe("in an app, over an hour", () => {
  const host = useHost();

  test(
    "rejects wrong members of a refresh response, and keeps the user signed in",
    async () => {
      const world = await startWorld(host());
      const { victim, base, provider } = world;
      const member = fc.oneof(
        {
          weight: 4,
          arbitrary: fc.constantFrom("access_token", "token_type", "expires_in", "refresh_token", "id_token"),
        },
        { weight: 1, arbitrary: fc.constantFrom("scope", "error", "refresh_expires_in") },
        { weight: 1, arbitrary: dangerousName },
      );
      const members = fc.array(fc.tuple(member, fc.oneof(json, fc.constantFrom("Bearer", 300, "x", ""))), {
        maxLength: 3,
      });
      const counts = { accepted: 0, rejected: 0 };
      let secondsAhead = 0;
      const advance = async (seconds: number) => {
        secondsAhead += seconds;
        await host().advanceClock(seconds);
        provider.setClock(secondsAhead);
      };
      await fc.assert(
        fc.asyncProperty(members, (wrong) =>
          withoutCookies(world, async () => {
            await advance(35); // after a failure the app does not call the provider for a while
            provider.nextTokenResponse({ expires_in: 0 });
            await signIn(world);
            let sent: Record<string, unknown> = {};
            let genuine: unknown;
            provider.writeNextTokenResponse((text) => {
              genuine = JSON.parse(text).id_token;
              const body = withMembers(text, wrong);
              sent = JSON.parse(body);
              return { body, headers: { "content-type": "application/json" } };
            });
            const { status, body } = await victim.fetch(`${base}/token`);
            expect(await world.signedInUser(victim)).toBe("amara-okafor");
            counts[status === 200 ? "accepted" : "rejected"] += 1;
            if (status !== 200) {
              expect([status, JSON.parse(body).code]).toEqual([503, "refresh_failed"]);
              return;
            }
            expect([genuine, undefined]).toContain(sent["id_token"]);
            expect(typeof sent["access_token"] === "string" && sent["access_token"] !== "").toBe(true);
            expect(String(sent["token_type"]).toLowerCase()).toBe("bearer");
          }),
        ),
        runs(100),
      );
      expect(Math.min(counts.accepted, counts.rejected)).toBeGreaterThan(10);
    },
    TIMEOUT_MS,
  );
});

/** Creates objects with at most three of these members. */
const someOf = (members: Record<string, fc.Arbitrary<unknown>>): fc.Arbitrary<Record<string, unknown>> => {
  const pairs = Object.entries(members).map(([name, arbitrary]) =>
    arbitrary.map((value) => [name, value] as const),
  );
  return fc.array(fc.oneof(...pairs), { maxLength: 3 }).map((chosen) => Object.fromEntries(chosen));
};

/** Adds members to JSON as text, because a literal __proto__ would set the prototype. */
const withMembers = (text: string, members: readonly (readonly [string, unknown])[]): string =>
  text.replace(/}$/, () => {
    const pairs = members.map(([name, value]) => `,${JSON.stringify(name)}:${JSON.stringify(value)}`);
    return `${pairs.join("")}}`;
  });

/**
 * Compares two tokens. Two texts may encode one signature, because not all bits of its last letter count
 * (RFC 4648, section 3.5).
 */
function isSameToken(first: string, second: string): boolean {
  const parts = (token: string) => {
    const [header, payload, signature = "", ...more] = token.split(".");
    return JSON.stringify([header, payload, Buffer.from(signature, "base64url").toString("hex"), more]);
  };
  return parts(first) === parts(second);
}

const attackerKey = createAttackerKey();

const USERINFO_FAILURES: readonly PortalAuthErrorCode[] = [
  "portal_answer_invalid",
  "userinfo_invalid",
  "userinfo_subject_mismatch",
  "userinfo_refused",
  "portal_failed",
];

const isAhead = (value: unknown): value is { ahead: number } =>
  typeof value === "object" && value !== null && "ahead" in value;

/**
 * Returns a check of the claims at a time. It implements OpenID Connect Core 1.0, section 3.1.3.7 a second
 * time, without code of lib/.
 */
function createClaimsCheck(
  sent: Record<string, unknown>,
  genuine: Record<string, unknown>,
  issuer: string,
): (now: number) => boolean {
  const { iss, sub, aud, azp, exp, iat, nbf, nonce, at_hash, auth_time } = sent;
  const audiences = Array.isArray(aud) ? aud : [aud];
  const isTime = (value: unknown): value is number => typeof value === "number" && Number.isFinite(value);
  const isValidApartFromTime =
    iss === issuer &&
    typeof sub === "string" &&
    sub.length >= 1 &&
    sub.length <= 255 &&
    (typeof aud === "string" || Array.isArray(aud)) &&
    audiences.includes(CLIENT_ID) &&
    (azp === undefined ? audiences.length === 1 : azp === CLIENT_ID) &&
    nonce === genuine["nonce"] &&
    (at_hash === undefined || at_hash === genuine["at_hash"]) &&
    isTime(exp) &&
    isTime(iat) &&
    (nbf === undefined || isTime(nbf)) &&
    (auth_time === undefined || (isTime(auth_time) && auth_time >= 0));
  return (now) =>
    isValidApartFromTime &&
    exp > now - 30 &&
    iat <= now + 30 &&
    (nbf === undefined || (nbf as number) <= now + 30);
}
