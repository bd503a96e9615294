import { createHmac, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { decodeJwt } from "jose";
import type { LocalProvider } from "../../../lib/testing/provider/local-provider.js";

type Claims = Readonly<Record<string, unknown>>;

const encode = (part: unknown): string =>
  Buffer.from(typeof part === "string" ? part : JSON.stringify(part)).toString("base64url");

/** Encodes `header.payload`. A part that is a text is already JSON, so that it can contain a member twice. */
export const content = (header: unknown, payload: unknown): string => `${encode(header)}.${encode(payload)}`;

/** Signs with the provider's own key under another header. `undefined` removes a member of the header. */
export const withHeader =
  (header: Claims) =>
  (claims: Claims, signText: (text: string) => string): string => {
    const text = content({ alg: "RS256", ...header }, claims);
    return `${text}.${signText(text)}`;
  };

/** Writes the claims as the provider would, with a text before the last brace: a member that occurs twice. */
export const withMembers =
  (json: string) =>
  (claims: Claims, signText: (text: string) => string): string => {
    const text = content({ alg: "RS256" }, JSON.stringify(claims).replace(/}$/, `,${json}}`));
    return `${text}.${signText(text)}`;
  };

export const hs256 =
  (key: string | Buffer, header: Claims = {}) =>
  (claims: Claims): string => {
    const text = content({ alg: "HS256", ...header }, claims);
    return `${text}.${createHmac("sha256", key).update(text).digest("base64url")}`;
  };

/** A key that no provider publishes. */
export function strangersKey(modulusLength = 2048) {
  const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength });
  return {
    privateKey,
    jwk: publicKey.export({ format: "jwk" }),
    pem: publicKey.export({ type: "spki", format: "pem" }),
  };
}

export const rs256 =
  (key: KeyObject, header: Claims = {}) =>
  (claims: Claims): string => {
    const text = content({ alg: "RS256", ...header }, claims);
    return `${text}.${sign("sha256", Buffer.from(text), key).toString("base64url")}`;
  };

/** Returns the first ID token among the tokens that a provider has issued. */
export const idTokenOf = ({ issued }: Pick<LocalProvider, "issued">): string =>
  issued.find((token) => token.includes(".") && decodeJwt(token)["nonce"] !== undefined) ?? "";
