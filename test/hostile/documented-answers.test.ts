import type { IncomingMessage, ServerResponse } from "node:http";
import { expect } from "vitest";
import type { PortalAuthErrorCode } from "../../lib/index.js";
import type { Responder as PortalAnswer } from "../../lib/testing/provider/local-provider.js";
import { logInAndOut } from "./support/acts.js";
import { attacks, CANARY, type Case, logIn, type Outcome } from "./support/attack.js";
import * as lies from "./support/lies.js";
import { allOf, refused } from "./support/outcomes.js";
import { PLACES, personTold, REVOCATION, signedOut, TOKEN, USERINFO } from "./support/places.js";

// Every error response that the provider documents, and similar ones.

const TOKEN_PAGES = "Tencent's product pages 1148/51481 and 51482";
const PAGES = "Tencent's product pages 1148/51469 to 52259";

/** Responds with this at the token endpoint, to a code and then to a refresh token. */
type Refusal = readonly [
  name: string,
  lie: PortalAnswer,
  atLogin: PortalAuthErrorCode,
  /** Only `refresh_refused` ends the session. */
  atRefresh?: "refresh_refused" | "portal_failed",
];

const refusals = (rows: readonly Refusal[]): Case[] =>
  rows.flatMap(([name, lie, atLogin, atRefresh]): Case[] => {
    const { token, refresh } = PLACES;
    const lay = ({ portal: provider }: { portal: Parameters<NonNullable<Case["lie"]>>[0] }) =>
      provider.answerNext(TOKEN, lie);
    return [
      { name: `login: ${name}`, source: TOKEN_PAGES, act: token.meet(lay), outcome: token.fails(atLogin) },
      {
        name: `refresh: ${name}`,
        source: TOKEN_PAGES,
        act: refresh.meet(lay),
        outcome:
          atRefresh === "refresh_refused"
            ? refused("refresh_refused")
            : allOf(refresh.fails(atRefresh ?? "refresh_failed"), (_answer, world) =>
                refresh.passesNext(world),
              ),
      },
    ];
  });

attacks(
  "reports error responses of the token endpoint",
  refusals([
    ["client_id missing or wrong: 401, and no body", lies.sendText(401, ""), "client_unknown"],
    [
      "a code of another client, or a wrong verifier: 401 invalid_client",
      lies.sendJson(401, { error: "invalid_client" }),
      "client_refused",
    ],
    [
      "grant_type wrong",
      lies.sendJson(400, {
        error: "unsupported_grant_type",
        error_description: `OAuth 2.0 Parameter: grant_type ${CANARY}`,
        error_uri: "https://datatracker.ietf.org/doc/html/rfc6749#section-5.2",
      }),
      "grant_type_refused",
    ],
    [
      "code or refresh token wrong, used or expired",
      lies.sendJson(400, { error: "invalid_grant" }),
      "code_refused",
      "refresh_refused",
    ],
    [
      "another error",
      lies.sendJson(400, { error: "invalid_scope", error_description: CANARY }),
      "token_refused",
    ],
    [
      "an error that only the user can solve",
      lies.sendJson(400, { error: "interaction_required", error_description: CANARY }),
      "token_refused",
      "refresh_refused",
    ],
    ["an error of its own", lies.sendJson(400, { error: "server_error" }), "portal_failed", "portal_failed"],
    [
      "invalid_grant with a 503",
      lies.sendJson(503, { error: "invalid_grant" }),
      "portal_failed",
      "portal_failed",
    ],
    [
      "invalid_grant in a good answer",
      lies.sendJson(200, { error: "invalid_grant" }),
      "portal_answer_invalid",
    ],
    [
      "an error that is a list",
      lies.sendJson(400, { error: ["invalid_grant", CANARY] }),
      "portal_answer_invalid",
      "refresh_refused",
    ],
    [
      "an error that is a script",
      lies.sendJson(400, { error: `<script>${"x".repeat(9000)}` }),
      "token_refused",
      "refresh_refused",
    ],
    [
      "an error with line breaks",
      lies.sendJson(400, { error: "a\r\nSet-Cookie: x=y\r\n" }),
      "token_refused",
      "refresh_refused",
    ],
    [
      "an error by the name of __proto__",
      lies.sendJson(400, { error: "__proto__" }),
      "token_refused",
      "refresh_refused",
    ],
    [
      "an error by the name of constructor",
      lies.sendJson(400, { error: "constructor" }),
      "token_refused",
      "refresh_refused",
    ],
    ["400 with a page", lies.html(400), "portal_answer_invalid"],
    ["400 with nothing", lies.sendText(400, ""), "portal_answer_invalid", "refresh_refused"],
    [
      "400 with JSON that says nothing",
      lies.sendJson(400, { message: CANARY }),
      "portal_answer_invalid",
      "refresh_refused",
    ],
    ["403 with a page", lies.html(403), "client_refused"],
    ["403 with nothing: Glewlwyd, a wrong secret", lies.sendText(403, ""), "client_refused"],
    [
      "401 unauthorized_client: Keycloak, likewise",
      lies.sendJson(401, { error: "unauthorized_client" }),
      "client_refused",
    ],
    ["403 access_denied: Auth0, likewise", lies.sendJson(403, { error: "access_denied" }), "client_refused"],
    ["400 unauthorized_client", lies.sendJson(400, { error: "unauthorized_client" }), "grant_type_refused"],
    [
      "403 invalid_grant: Auth0, an expired refresh token",
      lies.sendJson(403, { error: "invalid_grant" }),
      "code_refused",
      "refresh_refused",
    ],
    [
      "401 invalid_grant with a challenge",
      lies.sendJson(401, { error: "invalid_grant" }, { "www-authenticate": `Basic realm="${CANARY}"` }),
      "code_refused",
      "refresh_refused",
    ],
    ["401 with a page", lies.html(401), "client_refused"],
    [
      "401 with a challenge",
      lies.sendText(401, "", { "www-authenticate": `Basic realm="${CANARY}"` }),
      "client_unknown",
    ],
    [
      "401 invalid_client with a challenge",
      lies.sendJson(401, { error: "invalid_client" }, { "www-authenticate": `Basic realm="${CANARY}"` }),
      "client_refused",
    ],
  ]),
);

const challenge = (error: string) => ({
  "www-authenticate": `Bearer error="${error}", error_description="${CANARY}"`,
});

/** Responds with this at the userinfo endpoint, so many times. */
const told = (name: string, lie: PortalAnswer, outcome: Outcome, times = 1): Case => ({
  name,
  source: PAGES,
  act: PLACES.userinfo.meet(({ portal: provider }) => provider.answerNext(USERINFO, lie, times)),
  outcome,
});
const userInfoRefused = PLACES.userinfo.fails("userinfo_refused");
/** The numbers of requests to userinfo, and to the token endpoint: a login's, and a refresh. */
const asked =
  (...counts: readonly [userinfo: number, token: number]): Outcome =>
  (_answer, world) =>
    void expect([world.asked(USERINFO).length, world.asked(TOKEN).length]).toEqual(counts);

attacks("reports error responses of userinfo", [
  told(
    "no token: 400 with a challenge",
    lies.sendText(400, "", challenge("invalid_request")),
    userInfoRefused,
  ),
  told(
    "token revoked: 401 with a challenge, and then none: the app refreshes the token",
    lies.sendText(401, "", challenge("invalid_token")),
    allOf(personTold, asked(2, 2)),
  ),
  told(
    "401 with a challenge to each token: the app refreshes once",
    lies.sendText(401, "", challenge("invalid_token")),
    allOf(userInfoRefused, asked(2, 2)),
    2,
  ),
  told("401 without a challenge likewise", lies.sendText(401, ""), allOf(userInfoRefused, asked(2, 2)), 2),
  told(
    "a token without the scope: 403 with a challenge",
    lies.sendText(403, "", challenge("insufficient_scope")),
    allOf(userInfoRefused, asked(1, 1)),
  ),
  told("the user was deleted: 404", lies.sendJson(404, { error: "user_not_found" }), userInfoRefused),
  told("400 with a page", lies.html(400), userInfoRefused),
  told(
    "400 with JSON that says nothing",
    lies.sendJson(400, { sub: "amara-okafor", about: CANARY }),
    userInfoRefused,
  ),
  told("403 with nothing", lies.sendText(403, ""), userInfoRefused),
  ...(
    [
      ["sub null", { sub: null }],
      ["sub a number", { sub: 1 }],
      ["sub an object", { sub: { toString: "amara-okafor" } }],
      ["sub empty", { sub: "" }],
      ["sub in __proto__ alone", JSON.parse('{"__proto__":{"sub":"amara-okafor"}}')],
    ] as const
  ).map(([name, claims]) =>
    told(
      name,
      lies.sendJson(200, { ...claims, email: CANARY }),
      PLACES.userinfo.fails("portal_answer_invalid"),
    ),
  ),
]);

/** The browser stays on the provider's page, and the user is signed out of the app. */
const outAtThePortal: Outcome = async ({ status, url }, { portal: provider, victim, whoIs }) => {
  expect([status, new URL(url).origin, await whoIs(victim)]).toEqual([400, provider.issuer, undefined]);
};

attacks("signs out in spite of error responses", [
  {
    name: "revocation: a token of another client: 401 invalid_client",
    source: PAGES,
    lie: (provider) => provider.answerNext(REVOCATION, lies.sendJson(401, { error: "invalid_client" })),
    act: logInAndOut,
    outcome: signedOut,
  },
  {
    name: "revocation: 400",
    source: "RFC 7009, section 2.2.1",
    lie: (provider) =>
      provider.answerNext(REVOCATION, lies.sendJson(400, { error: "unsupported_token_type" })),
    act: logInAndOut,
    outcome: signedOut,
  },
  {
    name: "the provider's logout: client_id missing: 400 with JSON",
    source: "Tencent's product page 1148/51486",
    lie: (provider) =>
      provider.answerNext(
        "/logout",
        lies.sendJson(400, { error: "invalid_request", error_description: CANARY }),
      ),
    act: logInAndOut,
    outcome: outAtThePortal,
  },
]);

/** The provider redirects the user back with this in place of a code. */
const sentBack =
  (answer: Record<string, string>): PortalAnswer =>
  ({ url = "" }: IncomingMessage, res: ServerResponse) => {
    const { searchParams } = new URL(url, "http://portal.invalid");
    const address = new URL(searchParams.get("redirect_uri") ?? "");
    address.search = String(new URLSearchParams({ ...answer, state: searchParams.get("state") ?? "" }));
    res.writeHead(302, { location: address.href }).end();
  };
const SAYS = "OAuth 2.0 Parameter: ";

/** The provider's own words are in the log and in no response, because they could mislead users. */
const tellsItself: Outcome = ({ body }, world) => {
  expect(body).not.toContain(SAYS);
  expect(world.host.log.at(-1)).toContain(`the provider says "${SAYS}`);
  expect(world.asked(TOKEN)).toEqual([]);
};

attacks("reports errors at the callback", [
  {
    name: "code_challenge_method not supported",
    source: PAGES,
    lie: (provider) =>
      provider.answerNext(
        "/oauth2/authorize",
        sentBack({
          error: "invalid_request",
          error_description: `${SAYS}code_challenge_method`,
          error_uri: "https://datatracker.ietf.org/doc/html/rfc7636#section-4.4.1",
        }),
      ),
    outcome: allOf(refused("authorization_refused"), tellsItself),
  },
  {
    name: "the user denies consent, and the provider blames the scope",
    source: "Spring Authorization Server: access_denied with a misleading description",
    async act(world) {
      world.victim.person = { deny: "yes" };
      const answer = await logIn(world);
      const way = world.victim.answers.map(({ headers }) => decodeURIComponent(headers.location ?? ""));
      expect(way.join().replaceAll("+", " ")).toContain(`${SAYS}scope`);
      return answer;
    },
    outcome: allOf(refused("login_denied"), tellsItself),
  },
]);
