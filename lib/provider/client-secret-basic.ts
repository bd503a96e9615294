import type { ClientAuth } from "openid-client";

/**
 * Encodes a text as application/x-www-form-urlencoded (WHATWG URL Standard, section 5.2). Letters, digits,
 * `*`, `-`, `.` and `_` stay unchanged, and a space becomes `+`.
 */
export const formEncode = (text: string): string =>
  new URLSearchParams({ text }).toString().slice("text=".length);

/**
 * Returns a function that authenticates the client with HTTP Basic (RFC 6749, section 2.3.1). The client id
 * and the secret are form-encoded first.
 *
 * openid-client's own function encodes `-`, `.`, `_` and `*` as well. Some providers do not decode them
 * (Glewlwyd, django-oidc-provider), and many ids and secrets contain these characters.
 */
export function clientSecretBasic(clientSecret: string): ClientAuth {
  return function authenticateClient(_server, client, _body, headers) {
    const credentials = `${formEncode(client.client_id)}:${formEncode(clientSecret)}`;
    headers.set("authorization", `Basic ${btoa(credentials)}`);
  };
}
