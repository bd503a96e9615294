import { createHash } from "node:crypto";

/** Enough of a token to know it again, and nothing to use it by. */
export const fingerprint = (token) =>
  token && createHash("sha256").update(token).digest("base64url").slice(0, 16);

/** When an access token ends, in epoch milliseconds. */
export const endOf = (jwt) => JSON.parse(Buffer.from(jwt.split(".")[1], "base64url")).exp * 1000;
