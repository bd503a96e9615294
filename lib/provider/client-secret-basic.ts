import type { ClientAuth } from "openid-client";

/**
 * Encodes a text as application/x-www-form-urlencoded (WHATWG URL Standard, section 5.2): letters, digits, `*`, `-`, `.`
 * and `_` stay as they are, and a space becomes `+`.
 */
export const formEncode = (text: string): string =>
  new URLSearchParams({ text }).toString().slice("text=".length);

/**
 * Authenticates the client by HTTP Basic (RFC 6749, section 2.3.1): both parts are form-encoded first.
 *
 * openid-client's own function encodes `-`, `.`, `_` and `*` as well. Some providers do not decode (Glewlwyd,
 * django-oidc-provider), and these characters stand in many ids and secrets.
 */
export function clientSecretBasic(clientSecret: string): ClientAuth {
  return function authenticateClient(_server, client, _body, headers) {
    const credentials = `${formEncode(client.client_id)}:${formEncode(clientSecret)}`;
    headers.set("authorization", `Basic ${btoa(credentials)}`);
  };
}
