import { randomUUID } from "node:crypto";
import type { Request } from "express";
import type { LoginPolicy } from "../session/login-policy.js";
import { getRecords } from "../session/request-session.js";
import { createRecordOnce } from "../store/create-record-once.js";
import { sha256 } from "../util/sha256.js";

/** The use of a token that may be used once. */
export interface LogoutTokenUse {
  /** Saves that the use has succeeded. */
  succeed(): Promise<void>;
  /** Allows another use of the token, because this use has failed. */
  fail(): Promise<void>;
}

/**
 * How long an unfinished use blocks the token. A use stays unfinished if its process was killed or the store
 * is unreachable.
 */
const MAX_USE_MS = 10_000;

/**
 * Begins the use of a token in the store that all processes share. If several requests begin at the same
 * moment, only the first one succeeds.
 *
 * @param lifeMs time in milliseconds until the token expires
 * @returns undefined if the token was used before, or is in use
 * @throws PortalAuthError `session_missing`, `session_store_failed`
 */
export async function beginLogoutTokenUse(
  req: Request,
  policy: LoginPolicy,
  jti: string,
  lifeMs: number,
): Promise<LogoutTokenUse | undefined> {
  const records = getRecords(req, policy);
  const names = JSON.stringify([policy.issuer, policy.clientId, jti]);
  const key = `j:${sha256(names)}`;
  if (!(await createRecordOnce(records, key, randomUUID(), MAX_USE_MS))) return undefined;
  return {
    async succeed() {
      const isStored = await records.touch(key, lifeMs);
      if (!isStored) await records.create(key, "used", lifeMs);
    },
    async fail() {
      await records.remove(key);
    },
  };
}
