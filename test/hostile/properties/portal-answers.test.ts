import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { PortalAuthErrorCode } from "../../../lib/index.js";
import { CLIENT_ID } from "../../support/world.js";
import { logIn, startWorld, useHost, type World } from "../support/attack.js";
import { dangerousName, json, PATIENCE_MS, tries } from "../support/property.js";

// Whatever the portal answers: never a session without an ID token that was verified, and never a failure without a name.

const NAMED: readonly PortalAuthErrorCode[] = [
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

/** Whether the victim is in; if not, the failure has a name. */
async function isIn(world: World): Promise<boolean> {
  const answer = await logIn(world);
  const sub = await world.whoIs(world.victim);
  if (sub !== undefined) {
    expect([answer.status, sub]).toEqual([200, "amara-okafor"]);
    return true;
  }
  expect(
    NAMED.some((code) => answer.body.includes(`${code} · `)),
    answer.body,
  ).toBe(true);
  return false;
}

const asNewVisitor = async (world: World, run: () => Promise<void>): Promise<void> => {
  await world.victim.jar.removeAllCookies();
  await run();
};

describe("in an app", () => {
  const host = useHost();

  test(
    "a token answer of any members",
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
        fc.asyncProperty(members, (lies) =>
          asNewVisitor(world, async () => {
            let sent: Record<string, unknown> = {};
            let genuine: unknown;
            world.portal.writeNextTokenAnswer((text) => {
              genuine = JSON.parse(text).id_token;
              // written by hand: as a literal __proto__ would be a prototype, and not a member
              const body = text.replace(
                /}$/,
                `${lies.map(([key, value]) => `,${JSON.stringify(key)}:${JSON.stringify(value)}`).join("")}}`,
              );
              sent = JSON.parse(body);
              return { body, headers: { "content-type": "application/json" } };
            });
            if (!(await isIn(world))) return;
            expect(sent["id_token"]).toBe(genuine);
            expect(typeof sent["access_token"] === "string" && sent["access_token"] !== "").toBe(true);
            expect(String(sent["token_type"]).toLowerCase()).toBe("bearer");
          }),
        ),
        tries(150),
      );
    },
    PATIENCE_MS,
  );

  test(
    "an answer of any text, type and status",
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
      const status = fc.oneof(fc.constantFrom(200, 200, 400, 401), fc.integer({ min: 201, max: 599 }));
      await fc.assert(
        fc.asyncProperty(status, type, body, (code, contentType, text) =>
          asNewVisitor(world, async () => {
            world.portal.answerNext("/oauth2/token", (_req, res) => {
              res
                .writeHead(code, { ...(contentType && { "content-type": contentType }), connection: "close" })
                .end(text);
            });
            expect(await isIn(world)).toBe(false);
          }),
        ),
        tries(150),
      );
    },
    PATIENCE_MS,
  );

  test(
    "an ID token of any claims: who is in has a token in which all claims are right",
    async () => {
      const world = await startWorld(host(), { portal: { document: "full" } });
      const { portal } = world;
      const now = () => Math.floor(Date.now() / 1000);
      const time = fc.oneof(
        fc.integer({ min: -200, max: 2000 }).map((ahead) => ({ ahead })),
        json,
        fc.constant(undefined),
      );
      const claims = fc.record(
        {
          iss: fc.oneof(fc.constant(portal.issuer), json),
          sub: fc.oneof(fc.constant("amara-okafor"), json),
          aud: fc.oneof(fc.constantFrom(CLIENT_ID, [CLIENT_ID], [CLIENT_ID, "x"], ["x"]), json),
          azp: fc.oneof(fc.constantFrom(CLIENT_ID, "x"), json),
          exp: time,
          iat: time,
          nbf: time,
          nonce: json,
          at_hash: json,
          auth_time: json,
        },
        { requiredKeys: [] },
      );
      await fc.assert(
        fc.asyncProperty(claims, (lies) =>
          asNewVisitor(world, async () => {
            const told = Object.fromEntries(
              Object.entries(lies).map(([key, value]) => [key, isAhead(value) ? now() + value.ahead : value]),
            );
            let sent: Record<string, unknown> = {};
            let right: Record<string, unknown> = {};
            portal.nextIdToken({
              forge(genuine, sign) {
                right = genuine;
                sent = JSON.parse(JSON.stringify({ ...genuine, ...told }));
                const text = [{ alg: "RS256" }, sent]
                  .map((part) => Buffer.from(JSON.stringify(part)).toString("base64url"))
                  .join(".");
                return `${text}.${sign(text)}`;
              },
            });
            const before = now();
            const entered = await isIn(world);
            const isRight = judge(sent, right, portal.issuer);
            // on the edge of the tolerance the second that passed decides
            if (isRight(before) === isRight(now())) expect(entered).toBe(isRight(now()));
          }),
        ),
        tries(200),
      );
    },
    PATIENCE_MS,
  );

  test(
    "a discovery document and keys of any members",
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
      const lies = fc.dictionary(name, json, { maxKeys: 3 });
      await fc.assert(
        fc.asyncProperty(lies, fc.array(json, { maxLength: 3 }), async (members, keys) => {
          const world = await startWorld(host());
          world.portal.alterDiscovery((document) => ({ ...document, ...members }));
          world.portal.alterKeys((set) => ({ keys: [...keys, ...set.keys] }));
          await isIn(world);
        }),
        tries(60),
      );
    },
    PATIENCE_MS,
  );
});

const isAhead = (value: unknown): value is { ahead: number } =>
  typeof value === "object" && value !== null && "ahead" in value;

/** OpenID Connect Core 1.0, section 3.1.3.7, written once more, with nothing shared with lib/. */
function judge(
  sent: Record<string, unknown>,
  right: Record<string, unknown>,
  issuer: string,
): (now: number) => boolean {
  const { iss, sub, aud, azp, exp, iat, nbf, nonce, at_hash } = sent;
  const audiences = Array.isArray(aud) ? aud : [aud];
  const isTime = (value: unknown): value is number => typeof value === "number" && Number.isFinite(value);
  const timeless =
    iss === issuer &&
    typeof sub === "string" &&
    sub.length >= 1 &&
    sub.length <= 255 &&
    (typeof aud === "string" || Array.isArray(aud)) &&
    audiences.includes(CLIENT_ID) &&
    (azp === undefined ? audiences.length === 1 : azp === CLIENT_ID) &&
    nonce === right["nonce"] &&
    (at_hash === undefined || at_hash === right["at_hash"]) &&
    isTime(exp) &&
    isTime(iat) &&
    (nbf === undefined || isTime(nbf));
  return (now) => timeless && exp > now - 30 && iat <= now + 30 && (nbf === undefined || (nbf as number) <= now + 30);
}
