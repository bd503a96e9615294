import { createHmac, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { decodeJwt } from "jose";
import type { LocalProvider } from "../../../lib/testing/provider/local-provider.js";

type Claims = Readonly<Record<string, unknown>>;

const encode = (part: unknown): string =>
  Buffer.from(typeof part === "string" ? part : JSON.stringify(part)).toString("base64url");

/** `header.payload`; a part that is a text is taken as JSON already, which may hold a member twice. */
export const content = (header: unknown, payload: unknown): string => `${encode(header)}.${encode(payload)}`;

/** Signed by the portal's own key under another header. `undefined` removes a member of the header. */
export const withHeader =
  (header: Claims) =>
  (claims: Claims, signText: (text: string) => string): string => {
    const text = content({ alg: "RS256", ...header }, claims);
    return `${text}.${signText(text)}`;
  };

/** The claims as the portal would write them, and then some text before the last brace: a member that comes twice. */
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

/** A key that is nobody's. */
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

/** Of the tokens that a portal has given, the first ID token. */
export const idTokenOf = ({ issued }: Pick<LocalProvider, "issued">): string =>
  issued.find((token) => token.includes(".") && decodeJwt(token)["nonce"] !== undefined) ?? "";
