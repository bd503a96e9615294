import type { IncomingMessage, ServerResponse } from "node:http";
import { expect } from "vitest";
import type { PortalAuthErrorCode } from "../../lib/index.js";
import type { Responder } from "../../lib/testing/provider/local-provider.js";
import { CANARY, type Case, describeAttacks, type Outcome, signIn } from "./support/attack.js";
import {
  ENDPOINTS,
  hasUserInfo,
  type InjectFault,
  REVOCATION,
  signedOut,
  TOKEN,
  USERINFO,
} from "./support/endpoints.js";
import * as faults from "./support/faulty-responses.js";
import { allOf, rejectedWith } from "./support/outcomes.js";
import { signInAndOut } from "./support/sign-in-steps.js";

// Every error response that the provider documents, and similar ones.

const TOKEN_PAGES = "Tencent's product pages 1148/51481 and 51482";
const PAGES = "Tencent's product pages 1148/51469 to 52259";

/** A response of the token endpoint, and the expected code at a login and at a refresh. */
type TokenError = readonly [
  name: string,
  fault: Responder,
  atLogin: PortalAuthErrorCode,
  /** Only `refresh_refused` ends the session. */
  atRefresh?: "refresh_refused" | "portal_failed",
];

const tokenErrors = (rows: readonly TokenError[]): Case[] =>
  rows.flatMap(([name, fault, atLogin, atRefresh]): Case[] => {
    const { token, refresh } = ENDPOINTS;
    const inject: InjectFault = ({ provider }) => provider.answerNext(TOKEN, fault);
    const keepsSession: Outcome = allOf(refresh.fails(atRefresh ?? "refresh_failed"), (_answer, world) =>
      refresh.nextTryPasses(world),
    );
    const endsSession = rejectedWith("refresh_refused");
    return [
      {
        name: `login: ${name}`,
        source: TOKEN_PAGES,
        attack: token.reach(inject),
        outcome: token.fails(atLogin),
      },
      {
        name: `refresh: ${name}`,
        source: TOKEN_PAGES,
        attack: refresh.reach(inject),
        outcome: atRefresh === "refresh_refused" ? endsSession : keepsSession,
      },
    ];
  });

describeAttacks(
  "reports error responses of the token endpoint",
  tokenErrors([
    ["client_id missing or wrong: 401, and no body", faults.sendText(401, ""), "client_unknown"],
    [
      "a code of another client, or a wrong verifier: 401 invalid_client",
      faults.sendJson(401, { error: "invalid_client" }),
      "client_refused",
    ],
    [
      "grant_type wrong",
      faults.sendJson(400, {
        error: "unsupported_grant_type",
        error_description: `OAuth 2.0 Parameter: grant_type ${CANARY}`,
        error_uri: "https://datatracker.ietf.org/doc/html/rfc6749#section-5.2",
      }),
      "grant_type_refused",
    ],
    [
      "code or refresh token wrong, used or expired",
      faults.sendJson(400, { error: "invalid_grant" }),
      "code_refused",
      "refresh_refused",
    ],
    [
      "another error",
      faults.sendJson(400, { error: "invalid_scope", error_description: CANARY }),
      "token_refused",
    ],
    [
      "an error that only the user can solve",
      faults.sendJson(400, { error: "interaction_required", error_description: CANARY }),
      "token_refused",
      "refresh_refused",
    ],
    [
      "an error of the provider itself",
      faults.sendJson(400, { error: "server_error" }),
      "portal_failed",
      "portal_failed",
    ],
    [
      "invalid_grant with a 503",
      faults.sendJson(503, { error: "invalid_grant" }),
      "portal_failed",
      "portal_failed",
    ],
    [
      "invalid_grant in a response with status 200",
      faults.sendJson(200, { error: "invalid_grant" }),
      "portal_answer_invalid",
    ],
    [
      "an error that is a list",
      faults.sendJson(400, { error: ["invalid_grant", CANARY] }),
      "portal_answer_invalid",
      "refresh_refused",
    ],
    [
      "an error that is a script",
      faults.sendJson(400, { error: `<script>${"x".repeat(9000)}` }),
      "token_refused",
      "refresh_refused",
    ],
    [
      "an error with line breaks",
      faults.sendJson(400, { error: "a\r\nSet-Cookie: x=y\r\n" }),
      "token_refused",
      "refresh_refused",
    ],
    [
      "an error with the name __proto__",
      faults.sendJson(400, { error: "__proto__" }),
      "token_refused",
      "refresh_refused",
    ],
    [
      "an error with the name constructor",
      faults.sendJson(400, { error: "constructor" }),
      "token_refused",
      "refresh_refused",
    ],
    ["400 with a page", faults.sendHtml(400), "portal_answer_invalid"],
    ["400 with an empty body", faults.sendText(400, ""), "portal_answer_invalid", "refresh_refused"],
    [
      "400 with JSON without an error",
      faults.sendJson(400, { message: CANARY }),
      "portal_answer_invalid",
      "refresh_refused",
    ],
    ["403 with a page", faults.sendHtml(403), "client_refused"],
    [
      "403 with an empty body, as Glewlwyd sends for a wrong secret",
      faults.sendText(403, ""),
      "client_refused",
    ],
    [
      "401 unauthorized_client, as Keycloak sends for a wrong secret",
      faults.sendJson(401, { error: "unauthorized_client" }),
      "client_refused",
    ],
    [
      "403 access_denied, as Auth0 sends for a wrong secret",
      faults.sendJson(403, { error: "access_denied" }),
      "client_refused",
    ],
    ["400 unauthorized_client", faults.sendJson(400, { error: "unauthorized_client" }), "grant_type_refused"],
    [
      "403 invalid_grant, as Auth0 sends for an expired refresh token",
      faults.sendJson(403, { error: "invalid_grant" }),
      "code_refused",
      "refresh_refused",
    ],
    [
      "401 invalid_grant with a challenge",
      faults.sendJson(401, { error: "invalid_grant" }, { "www-authenticate": `Basic realm="${CANARY}"` }),
      "code_refused",
      "refresh_refused",
    ],
    ["401 with a page", faults.sendHtml(401), "client_refused"],
    [
      "401 with a challenge",
      faults.sendText(401, "", { "www-authenticate": `Basic realm="${CANARY}"` }),
      "client_unknown",
    ],
    [
      "401 invalid_client with a challenge",
      faults.sendJson(401, { error: "invalid_client" }, { "www-authenticate": `Basic realm="${CANARY}"` }),
      "client_refused",
    ],
  ]),
);

const challenge = (error: string) => ({
  "www-authenticate": `Bearer error="${error}", error_description="${CANARY}"`,
});

/** Sends this response at the userinfo endpoint, so many times. */
const userInfoError = (name: string, fault: Responder, outcome: Outcome, times = 1): Case => ({
  name,
  source: PAGES,
  attack: ENDPOINTS.userinfo.reach(({ provider }) => provider.answerNext(USERINFO, fault, times)),
  outcome,
});
const userInfoRefused = ENDPOINTS.userinfo.fails("userinfo_refused");
/** Expects so many requests to the userinfo endpoint and to the token endpoint. */
const requestCounts =
  (...counts: readonly [userinfo: number, token: number]): Outcome =>
  (_answer, world) =>
    void expect([world.requestsTo(USERINFO).length, world.requestsTo(TOKEN).length]).toEqual(counts);

describeAttacks("reports error responses of userinfo", [
  userInfoError(
    "no token: 400 with a challenge",
    faults.sendText(400, "", challenge("invalid_request")),
    userInfoRefused,
  ),
  userInfoError(
    "token revoked: 401 with a challenge at first: the app refreshes the token and tries again",
    faults.sendText(401, "", challenge("invalid_token")),
    allOf(hasUserInfo, requestCounts(2, 2)),
  ),
  userInfoError(
    "401 with a challenge to each token: the app refreshes once",
    faults.sendText(401, "", challenge("invalid_token")),
    allOf(userInfoRefused, requestCounts(2, 2)),
    2,
  ),
  userInfoError(
    "401 without a challenge to each token: the app refreshes once",
    faults.sendText(401, ""),
    allOf(userInfoRefused, requestCounts(2, 2)),
    2,
  ),
  userInfoError(
    "a token without the scope: 403 with a challenge",
    faults.sendText(403, "", challenge("insufficient_scope")),
    allOf(userInfoRefused, requestCounts(1, 1)),
  ),
  userInfoError(
    "the user was deleted: 404",
    faults.sendJson(404, { error: "user_not_found" }),
    userInfoRefused,
  ),
  userInfoError("400 with a page", faults.sendHtml(400), userInfoRefused),
  userInfoError(
    "400 with JSON without an error",
    faults.sendJson(400, { sub: "amara-okafor", about: CANARY }),
    userInfoRefused,
  ),
  userInfoError("403 with an empty body", faults.sendText(403, ""), userInfoRefused),
  ...(
    [
      ["sub null", { sub: null }],
      ["sub a number", { sub: 1 }],
      ["sub an object", { sub: { toString: "amara-okafor" } }],
      ["sub empty", { sub: "" }],
      ["sub only in __proto__", JSON.parse('{"__proto__":{"sub":"amara-okafor"}}')],
    ] as const
  ).map(([name, claims]) =>
    userInfoError(
      name,
      faults.sendJson(200, { ...claims, email: CANARY }),
      ENDPOINTS.userinfo.fails("portal_answer_invalid"),
    ),
  ),
]);

/** Expects that the browser stays on the provider's page, and that the user is signed out of the app. */
const signedOutOnProviderPage: Outcome = async ({ status, url }, { provider, victim, signedInUser }) => {
  expect([status, new URL(url).origin, await signedInUser(victim)]).toEqual([
    400,
    provider.issuer,
    undefined,
  ]);
};

describeAttacks("signs the user out if the provider responds with an error", [
  {
    name: "revocation responds 401 invalid_client, as for a token of another client",
    source: PAGES,
    fault: (provider) => provider.answerNext(REVOCATION, faults.sendJson(401, { error: "invalid_client" })),
    attack: signInAndOut,
    outcome: signedOut,
  },
  {
    name: "revocation responds 400",
    source: "RFC 7009, section 2.2.1",
    fault: (provider) =>
      provider.answerNext(REVOCATION, faults.sendJson(400, { error: "unsupported_token_type" })),
    attack: signInAndOut,
    outcome: signedOut,
  },
  {
    name: "the provider's logout responds 400, as for a missing client_id",
    source: "Tencent's product page 1148/51486",
    fault: (provider) =>
      provider.answerNext(
        "/logout",
        faults.sendJson(400, { error: "invalid_request", error_description: CANARY }),
      ),
    attack: signInAndOut,
    outcome: signedOutOnProviderPage,
  },
]);

/** Redirects the user back to the app with these parameters instead of a code. */
const redirectsBack =
  (parameters: Record<string, string>): Responder =>
  ({ url = "" }: IncomingMessage, res: ServerResponse) => {
    const { searchParams } = new URL(url, "http://portal.invalid");
    const callback = new URL(searchParams.get("redirect_uri") ?? "");
    callback.search = String(new URLSearchParams({ ...parameters, state: searchParams.get("state") ?? "" }));
    res.writeHead(302, { location: callback.href }).end();
  };
const DESCRIPTION = "OAuth 2.0 Parameter: ";

/** Expects the provider's description in the log and in no response, because it could mislead users. */
const descriptionOnlyInLog: Outcome = ({ body }, world) => {
  expect(body).not.toContain(DESCRIPTION);
  expect(world.host.log.at(-1)).toContain(`the provider says "${DESCRIPTION}`);
  expect(world.requestsTo(TOKEN)).toEqual([]);
};

describeAttacks("reports errors at the callback", [
  {
    name: "the provider does not support code_challenge_method",
    source: PAGES,
    fault: (provider) =>
      provider.answerNext(
        "/oauth2/authorize",
        redirectsBack({
          error: "invalid_request",
          error_description: `${DESCRIPTION}code_challenge_method`,
          error_uri: "https://datatracker.ietf.org/doc/html/rfc7636#section-4.4.1",
        }),
      ),
    outcome: allOf(rejectedWith("authorization_refused"), descriptionOnlyInLog),
  },
  {
    name: "the user denies consent, and the provider blames the scope",
    source: "Spring Authorization Server: access_denied with a misleading description",
    async attack(world) {
      world.victim.user = { deny: "yes" };
      const answer = await signIn(world);
      const redirects = world.victim.answers.map(({ headers }) => decodeURIComponent(headers.location ?? ""));
      expect(redirects.join().replaceAll("+", " ")).toContain(`${DESCRIPTION}scope`);
      return answer;
    },
    outcome: allOf(rejectedWith("login_denied"), descriptionOnlyInLog),
  },
]);
