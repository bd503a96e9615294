import { randomUUID } from "node:crypto";
import type { Request } from "express";
import type { LoginPolicy } from "../session/login-policy.js";
import { getRecords } from "../session/request-session.js";
import { createRecordOnce } from "../store/create-record-once.js";
import { sha256 } from "../util/sha256.js";

/** The use of a token that may be used once. */
export interface LogoutTokenUse {
  /** Notes that the use has succeeded. */
  succeed(): Promise<void>;
  /** Lets the token be used again, because the use has failed. */
  fail(): Promise<void>;
}

/**
 * A use that never ends, because its process was killed or the store is away, blocks the token for so long.
 */
const MAX_USE_MS = 10_000;

/**
 * Begins the use of a token, in the store that all processes share: only the first of several at the same
 * moment succeeds.
 *
 * @param lifeMs how long such a token can come again, in milliseconds
 * @returns undefined if the token was used before, or is in use
 * @throws PortalAuthError `session_missing`, `session_store_failed`
 */
export async function beginLogoutTokenUse(
  on: Request,
  policy: LoginPolicy,
  jti: string,
  lifeMs: number,
): Promise<LogoutTokenUse | undefined> {
  const records = getRecords(on, policy);
  const names = JSON.stringify([policy.issuer, policy.clientId, jti]);
  const key = `j:${sha256(names)}`;
  if (!(await createRecordOnce(records, key, randomUUID(), MAX_USE_MS))) return undefined;
  return {
    async succeed() {
      const isKept = await records.touch(key, lifeMs);
      if (!isKept) await records.create(key, "used", lifeMs);
    },
    async fail() {
      await records.remove(key);
    },
  };
}
