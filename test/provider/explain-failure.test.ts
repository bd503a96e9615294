import * as oidc from "openid-client";
import { describe, expect, test } from "vitest";
import { PortalAuthError } from "../../lib/errors/portal-auth-error.js";
import { explainFailure, findStatus, toPrintable } from "../../lib/provider/explain-failure.js";

type Endpoint = Parameters<typeof explainFailure>[1];
const told = (error: unknown, endpoint: Endpoint) => {
  const { code, detail, cause } = explainFailure(error, endpoint);
  expect(cause).toBeUndefined(); // it may hold a whole answer
  return [code, detail];
};

/** The portal named an error in a JSON body (RFC 6749, section 5.2). */
const named = (error: string, status: number) =>
  new oidc.ResponseBodyError("geheim", {
    cause: { error, error_description: "geheim" },
    response: new Response(null, { status }),
  });

/** An answer that is not what a specification says. */
const odd = (status: number, body: string | null, headers: Record<string, string> = {}) =>
  Object.assign(new Error("geheim"), { cause: new Response(body, { status, headers }) });

describe("an error that the portal named", () => {
  test.each<[Endpoint, string, number, string]>([
    ["token", "invalid_client", 401, "client_refused"],
    ["token", "invalid_grant", 400, "code_refused"],
    ["token", "unsupported_grant_type", 400, "grant_type_refused"],
    ["token", "server_error", 400, "portal_failed"],
    ["token", "temporarily_unavailable", 400, "portal_failed"],
    ["token", "interaction_required", 400, "token_refused"],
    ["token", "invalid_scope", 400, "token_refused"],
    ["token", "__proto__", 400, "token_refused"],
    ["token", "toString", 400, "token_refused"],
    ["token", "invalid_grant", 500, "portal_failed"],
    ["token", "invalid_grant", 503, "portal_failed"],
    ["token", "invalid_grant", 429, "portal_failed"],
    ["token", "invalid_grant", 499, "code_refused"],
    ["refresh", "invalid_grant", 400, "refresh_refused"],
    ["refresh", "interaction_required", 400, "refresh_refused"],
    ["refresh", "login_required", 400, "refresh_refused"],
    ["refresh", "consent_required", 400, "refresh_refused"],
    ["refresh", "account_selection_required", 400, "refresh_refused"],
    ["refresh", "invalid_grant", 502, "portal_failed"],
    ["refresh", "invalid_client", 401, "client_refused"],
    ["refresh", "invalid_scope", 400, "token_refused"],
    ["revocation", "invalid_client", 401, "client_refused"],
    ["revocation", "invalid_grant", 400, "code_refused"],
    ["userinfo", "invalid_grant", 400, "userinfo_refused"],
    ["userinfo", "user_not_found", 404, "userinfo_refused"],
    ["userinfo", "server_error", 500, "portal_failed"],
    ["discovery", "invalid_grant", 400, "discovery_invalid"],
    ["discovery", "server_error", 500, "portal_failed"],
    // the client, whatever the error says: Keycloak, Auth0
    ["token", "unauthorized_client", 401, "client_refused"],
    ["token", "invalid_client", 400, "client_refused"],
    ["token", "access_denied", 401, "client_refused"],
    ["token", "invalid_request", 403, "client_refused"],
    ["token", "__proto__", 403, "client_refused"],
    ["refresh", "unauthorized_client", 401, "client_refused"],
    ["refresh", "access_denied", 403, "client_refused"],
    ["revocation", "unauthorized_client", 403, "client_refused"],
    // not the client, although the status says so: Auth0 answers invalid_grant with 403
    ["token", "invalid_grant", 403, "code_refused"],
    ["token", "invalid_scope", 401, "token_refused"],
    ["token", "unsupported_grant_type", 401, "grant_type_refused"],
    ["token", "temporarily_unavailable", 403, "portal_failed"],
    ["refresh", "invalid_grant", 403, "refresh_refused"],
    ["refresh", "invalid_grant", 401, "refresh_refused"],
    ["refresh", "interaction_required", 403, "refresh_refused"],
    // the grant types of the client
    ["token", "unauthorized_client", 400, "grant_type_refused"],
    ["refresh", "unauthorized_client", 400, "grant_type_refused"],
  ])("at %s, %s with %i, is %s", (endpoint, error, status, code) => {
    expect(told(named(error, status), endpoint)).toEqual([code, `${endpoint} answered ${status} ${error}`]);
  });
});

describe("an answer that is none", () => {
  const html = { "content-type": "text/html; charset=utf-8" };
  test.each<[Endpoint, number, string | null, string, string]>([
    ["token", 401, null, "client_unknown", "no body"],
    ["token", 401, "<html>", "client_refused", "text/html"],
    ["token", 400, "<html>", "portal_answer_invalid", "text/html"],
    ["token", 200, "<html>", "portal_answer_invalid", "text/html"],
    ["token", 500, "<html>", "portal_failed", "text/html"],
    ["token", 429, null, "portal_failed", "no body"],
    ["token", 403, null, "client_refused", "no body"],
    ["token", 403, "<html>", "client_refused", "text/html"],
    ["refresh", 401, null, "client_unknown", "no body"],
    ["refresh", 403, null, "client_refused", "no body"],
    ["revocation", 403, null, "client_refused", "no body"],
    ["discovery", 403, null, "discovery_invalid", "no body"],
    ["revocation", 401, "<html>", "client_refused", "text/html"],
    ["userinfo", 400, null, "userinfo_refused", "no body"],
    ["userinfo", 401, "<html>", "userinfo_refused", "text/html"],
    ["userinfo", 503, null, "portal_failed", "no body"],
    ["userinfo", 302, null, "portal_answer_invalid", "no body"],
    ["discovery", 401, null, "discovery_invalid", "no body"],
    ["discovery", 401, "<html>", "discovery_invalid", "text/html"],
    ["discovery", 404, "<html>", "discovery_invalid", "text/html"],
    ["discovery", 500, null, "portal_failed", "no body"],
  ])("at %s, %i with %s, is %s", (endpoint, status, body, code, seen) => {
    expect(told(odd(status, body, html), endpoint)).toEqual([
      code,
      `${endpoint} answered ${status}, ${seen}`,
    ]);
  });

  test("may lack its type", () => {
    const error = { cause: { cause: new Response(new Uint8Array([1]), { status: 400 }) } };
    expect(told(error, "token")).toEqual(["portal_answer_invalid", "token answered 400, no content type"]);
  });

  test("may come as a challenge, with the answer beside it", () => {
    const response = new Response(null, { status: 401 });
    const challenge = new oidc.WWWAuthenticateChallengeError("geheim", { cause: [], response });
    expect(told(challenge, "token")).toEqual(["client_unknown", "token answered 401, no body"]);
    expect(findStatus(challenge)).toBe(401);
    expect(findStatus(new Error("none"))).toBeUndefined();
  });
});

describe("what the protocol library throws", () => {
  const own = (message: string, more: object = {}) =>
    Object.assign(new Error(message, { cause: more }), { name: "OperationProcessingError" });

  test.each<[Endpoint, Error, string, string]>([
    [
      "token",
      own("unexpected JWT claim", { claim: "aud", expected: "us", claims: { aud: ["geheim<b>", "them"] } }),
      "id_token_invalid",
      "claim aud: received geheim?b?, them, expected us",
    ],
    [
      "token",
      own("unexpected JWT claim", {
        claim: "iss",
        expected: "https://a.example",
        claims: { iss: "https://b.example/" },
      }),
      "id_token_invalid",
      "claim iss: received https://b.example/, expected https://a.example",
    ],
    [
      "token",
      own("unexpected JWT claim", {
        claim: "iss",
        expected: "https://a.example",
        claims: { iss: "geheim\nline" },
      }),
      "id_token_invalid",
      "claim iss: received something that is not an issuer, expected https://a.example",
    ],
    [
      "refresh",
      own('unexpected JWT "alg" header parameter', {
        header: { alg: "ES256" },
        expected: "RS256",
        reason: "x",
      }),
      "id_token_signature_invalid",
      "the token is signed with ES256, expected RS256",
    ],
    ["token", own("unexpected JWT claim", { claim: "exp" }), "id_token_invalid", "claim exp"],
    [
      "token",
      own('unsupported JWS "alg" identifier'),
      "id_token_invalid",
      'unsupported JWS "alg" identifier',
    ],
    ["token", own("no ID Token in the answer"), "id_token_invalid", "no ID Token in the answer"],
    [
      "userinfo",
      own("unexpected JWT claim", { claim: "aud" }),
      "portal_answer_invalid",
      "unexpected JWT claim",
    ],
    [
      "token",
      own('"response" body must be an object'),
      "portal_answer_invalid",
      '"response" body must be an object',
    ],
    ["discovery", own('"response" body is odd'), "discovery_invalid", '"response" body is odd'],
    ["discovery", new SyntaxError("geheim"), "discovery_invalid", "a response that could not be read"],
    ["token", new SyntaxError("geheim"), "portal_answer_invalid", "a response that could not be read"],
    ["token", own("JWT", { claim: 7 }), "id_token_invalid", "JWT"],
  ])(
    "at %s is told in its own words, or by its claim, and never in those of others",
    (endpoint, error, code, detail) => {
      expect(told(error, endpoint)).toEqual([code, detail]);
    },
  );

  test("hands on a failure of ours that lies in it", () => {
    const ours = new PortalAuthError("portal_timeout");
    expect(explainFailure(new Error("a", { cause: new Error("b", { cause: ours }) }), "token")).toBe(ours);
    expect(explainFailure("a text", "token").code).toBe("portal_answer_invalid");
  });

  test("of the network is told as that", () => {
    const timeout = Object.assign(new Error("geheim"), { name: "TimeoutError" });
    expect(told(new Error("a", { cause: timeout }), "token")).toEqual([
      "portal_timeout",
      "token: no response in time",
    ]);
    const cut = new TypeError("terminated", {
      cause: Object.assign(new Error("geheim"), { code: "UND_ERR_SOCKET" }),
    });
    expect(told(cut, "token")).toEqual(["portal_unreachable", "token: UND_ERR_SOCKET"]);
    expect(told(new TypeError("another"), "token")[0]).toBe("portal_answer_invalid");
  });

  test("that leads in a circle is followed for a while", () => {
    const circle: { cause?: unknown } = {};
    circle.cause = circle;
    expect(explainFailure(circle, "token").code).toBe("portal_answer_invalid");
  });
});

test("what others write is told by sixty harmless characters at most", () => {
  expect(toPrintable("a-Z_0./ <b>\n\u00e4")).toBe("a-Z_0./??b???");
  expect(toPrintable("x".repeat(61))).toBe("x".repeat(60));
});
