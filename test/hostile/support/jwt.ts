import { createHmac, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { decodeJwt } from "jose";
import type { LocalProvider } from "../../../lib/testing/provider/local-provider.js";

type Claims = Readonly<Record<string, unknown>>;
/** Signs a text with the provider's own key. */
type SignText = (text: string) => string;

const encode = (part: unknown): string =>
  Buffer.from(typeof part === "string" ? part : JSON.stringify(part)).toString("base64url");

/**
 * Encodes `header.payload` (JWS Signing Input, RFC 7515). A part that is a text is already JSON, so that it
 * can contain a member twice.
 */
export const signingInput = (header: unknown, payload: unknown): string =>
  `${encode(header)}.${encode(payload)}`;

/** Signs with the provider's own key under another header. `undefined` removes a member of the header. */
export const withHeader =
  (header: Claims) =>
  (claims: Claims, signText: SignText): string => {
    const input = signingInput({ alg: "RS256", ...header }, claims);
    return `${input}.${signText(input)}`;
  };

/** Writes the claims as the provider would, and adds members as JSON, so that a member can occur twice. */
export const withExtraMembers =
  (members: string) =>
  (claims: Claims, signText: SignText): string => {
    const payload = JSON.stringify(claims).replace(/}$/, `,${members}}`);
    const input = signingInput({ alg: "RS256" }, payload);
    return `${input}.${signText(input)}`;
  };

/** Signs the claims with HS256 and this key. */
export const hs256 =
  (key: string | Buffer, header: Claims = {}) =>
  (claims: Claims): string => {
    const input = signingInput({ alg: "HS256", ...header }, claims);
    return `${input}.${createHmac("sha256", key).update(input).digest("base64url")}`;
  };

/** Signs the claims with RS256 and this key. */
export const rs256 =
  (key: KeyObject, header: Claims = {}) =>
  (claims: Claims): string => {
    const input = signingInput({ alg: "RS256", ...header }, claims);
    return `${input}.${sign("sha256", Buffer.from(input), key).toString("base64url")}`;
  };

/** Creates a key that no provider publishes. */
export function createAttackerKey(modulusLength = 2048) {
  const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength });
  return {
    privateKey,
    jwk: publicKey.export({ format: "jwk" }),
    pem: publicKey.export({ type: "spki", format: "pem" }),
  };
}

/** Returns the first ID token among the tokens that a provider has issued. Only ID tokens have a nonce. */
export const findIdToken = ({ issued }: Pick<LocalProvider, "issued">): string =>
  issued.find((token) => token.includes(".") && decodeJwt(token)["nonce"] !== undefined) ?? "";
