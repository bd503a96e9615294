import { createHash } from "node:crypto";

/** Returns a part of the token's hash, which identifies the token and cannot be used in its place. */
export const createFingerprint = (token) =>
  token && createHash("sha256").update(token).digest("base64url").slice(0, 16);

/** Returns when an access token expires, in epoch milliseconds. */
export const getExpiry = (jwt) => JSON.parse(Buffer.from(jwt.split(".")[1], "base64url")).exp * 1000;
