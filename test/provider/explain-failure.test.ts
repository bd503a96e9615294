import * as oidc from "openid-client";
import { describe, expect, test } from "vitest";
import { PortalAuthError } from "../../lib/errors/portal-auth-error.js";
import { explainFailure, findStatus, toPrintable } from "../../lib/provider/explain-failure.js";

type Endpoint = Parameters<typeof explainFailure>[1];
const explain = (error: unknown, endpoint: Endpoint) => {
  const { code, detail, cause } = explainFailure(error, endpoint);
  expect(cause).toBeUndefined(); // it may contain a whole response
  return [code, detail];
};

/** An error that the provider has named in a JSON body (RFC 6749, section 5.2). */
const createNamedError = (error: string, status: number) =>
  new oidc.ResponseBodyError("geheim", {
    cause: { error, error_description: "geheim" },
    response: new Response(null, { status }),
  });

/** The error for a response that does not follow the specification. */
const createResponseError = (status: number, body: string | null, headers: Record<string, string> = {}) =>
  Object.assign(new Error("geheim"), { cause: new Response(body, { status, headers }) });

describe("an error that the provider has named", () => {
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
    // The status means the client, and the error is misleading: Keycloak, Auth0.
    ["token", "unauthorized_client", 401, "client_refused"],
    ["token", "invalid_client", 400, "client_refused"],
    ["token", "access_denied", 401, "client_refused"],
    ["token", "invalid_request", 403, "client_refused"],
    ["token", "__proto__", 403, "client_refused"],
    ["refresh", "unauthorized_client", 401, "client_refused"],
    ["refresh", "access_denied", 403, "client_refused"],
    ["revocation", "unauthorized_client", 403, "client_refused"],
    // The error means something else than the client, although the status is 401 or 403: Auth0.
    ["token", "invalid_grant", 403, "code_refused"],
    ["token", "invalid_scope", 401, "token_refused"],
    ["token", "unsupported_grant_type", 401, "grant_type_refused"],
    ["token", "temporarily_unavailable", 403, "portal_failed"],
    ["refresh", "invalid_grant", 403, "refresh_refused"],
    ["refresh", "invalid_grant", 401, "refresh_refused"],
    ["refresh", "interaction_required", 403, "refresh_refused"],
    // The error means the grant types of the client.
    ["token", "unauthorized_client", 400, "grant_type_refused"],
    ["refresh", "unauthorized_client", 400, "grant_type_refused"],
  ])("at %s: %s with status %i becomes %s", (endpoint, error, status, code) => {
    expect(explain(createNamedError(error, status), endpoint)).toEqual([
      code,
      `${endpoint} answered ${status} ${error}`,
    ]);
  });
});

describe("a response without a named error", () => {
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
  ])("at %s: status %i with %s becomes %s", (endpoint, status, body, code, description) => {
    expect(explain(createResponseError(status, body, html), endpoint)).toEqual([
      code,
      `${endpoint} answered ${status}, ${description}`,
    ]);
  });

  test("may have no content type", () => {
    const error = { cause: { cause: new Response(new Uint8Array([1]), { status: 400 }) } };
    expect(explain(error, "token")).toEqual(["portal_answer_invalid", "token answered 400, no content type"]);
  });

  test("may be a challenge, whose error has the response as a member", () => {
    const response = new Response(null, { status: 401 });
    const challenge = new oidc.WWWAuthenticateChallengeError("geheim", { cause: [], response });
    expect(explain(challenge, "token")).toEqual(["client_unknown", "token answered 401, no body"]);
    expect(findStatus(challenge)).toBe(401);
    expect(findStatus(new Error("none"))).toBeUndefined();
  });
});

describe("an error of the protocol library", () => {
  const createLibraryError = (message: string, more: object = {}) =>
    Object.assign(new Error(message, { cause: more }), { name: "OperationProcessingError" });

  test.each<[Endpoint, Error, string, string]>([
    [
      "token",
      createLibraryError("unexpected JWT claim", {
        claim: "aud",
        expected: "us",
        claims: { aud: ["geheim<b>", "them"] },
      }),
      "id_token_invalid",
      "claim aud: received geheim?b?, them, expected us",
    ],
    [
      "token",
      createLibraryError("unexpected JWT claim", {
        claim: "iss",
        expected: "https://a.example",
        claims: { iss: "https://b.example/" },
      }),
      "id_token_invalid",
      "claim iss: received https://b.example/, expected https://a.example",
    ],
    [
      "token",
      createLibraryError("unexpected JWT claim", {
        claim: "iss",
        expected: "https://a.example",
        claims: { iss: "geheim\nline" },
      }),
      "id_token_invalid",
      "claim iss: received something that is not an issuer, expected https://a.example",
    ],
    [
      "refresh",
      createLibraryError('unexpected JWT "alg" header parameter', {
        header: { alg: "ES256" },
        expected: "RS256",
        reason: "x",
      }),
      "id_token_signature_invalid",
      "the token is signed with ES256, expected RS256",
    ],
    ["token", createLibraryError("unexpected JWT claim", { claim: "exp" }), "id_token_invalid", "claim exp"],
    [
      "token",
      createLibraryError('unsupported JWS "alg" identifier'),
      "id_token_invalid",
      'unsupported JWS "alg" identifier',
    ],
    [
      "token",
      createLibraryError("no ID Token in the response"),
      "id_token_invalid",
      "no ID Token in the response",
    ],
    [
      "userinfo",
      createLibraryError("unexpected JWT claim", { claim: "aud" }),
      "portal_answer_invalid",
      "unexpected JWT claim",
    ],
    [
      "token",
      createLibraryError('"response" body must be an object'),
      "portal_answer_invalid",
      '"response" body must be an object',
    ],
    [
      "discovery",
      createLibraryError('"response" body is odd'),
      "discovery_invalid",
      '"response" body is odd',
    ],
    ["discovery", new SyntaxError("geheim"), "discovery_invalid", "a response that could not be read"],
    ["token", new SyntaxError("geheim"), "portal_answer_invalid", "a response that could not be read"],
    ["token", createLibraryError("JWT", { claim: 7 }), "id_token_invalid", "JWT"],
  ])("at %s is explained by the library's message or by the claim", (endpoint, error, code, detail) => {
    expect(explain(error, endpoint)).toEqual([code, detail]);
  });

  test("with a PortalAuthError as its cause is replaced by it", () => {
    const cause = new PortalAuthError("portal_timeout");
    expect(explainFailure(new Error("a", { cause: new Error("b", { cause }) }), "token")).toBe(cause);
    expect(explainFailure("a text", "token").code).toBe("portal_answer_invalid");
  });

  test("with a failure of the network as its cause becomes portal_timeout or portal_unreachable", () => {
    const timeout = Object.assign(new Error("geheim"), { name: "TimeoutError" });
    expect(explain(new Error("a", { cause: timeout }), "token")).toEqual([
      "portal_timeout",
      "token: no response in time",
    ]);
    const terminated = new TypeError("terminated", {
      cause: Object.assign(new Error("geheim"), { code: "UND_ERR_SOCKET" }),
    });
    expect(explain(terminated, "token")).toEqual(["portal_unreachable", "token: UND_ERR_SOCKET"]);
    expect(explain(new TypeError("another"), "token")[0]).toBe("portal_answer_invalid");
  });

  test("with a loop of causes is handled", () => {
    const loop: { cause?: unknown } = {};
    loop.cause = loop;
    expect(explainFailure(loop, "token").code).toBe("portal_answer_invalid");
  });
});

test("toPrintable keeps at most 60 harmless characters", () => {
  expect(toPrintable("a-Z_0./ <b>\n\u00e4")).toBe("a-Z_0./??b???");
  expect(toPrintable("x".repeat(61))).toBe("x".repeat(60));
});
