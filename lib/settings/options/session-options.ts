import * as v from "valibot";
import { findReservedKey } from "../../session/reserved-keys.js";
import { describeInvalidStore, isStore } from "../../store/open-store.js";
import type { StoreObject } from "../../store/store-option.js";
import { isStoreUrl, MEMORY_URL } from "../../store/store-url.js";
import { NONE, option, REQUIRED, value } from "../option-record.js";
import { seconds, secrets } from "../option-schemas.js";
import { showSecrets, showStore, showText } from "../show-value.js";

/**
 * The union and both its members have this message: valibot's own messages repeat the value, here a password.
 */
const STORE =
  "write memory:, redis://…, rediss://… or postgres://… " +
  "(in a password #, @ and / are written %23, %40 and %2F), " +
  "or in code a client of redis or ioredis, a Pool of pg, or an adapter";

const isObject = (written: unknown): boolean =>
  (typeof written === "object" && written !== null) || typeof written === "function";

const MAX_SECONDS = 400 * 86_400;

/** The options for sessions: their secret, their store, and when they end. */
export const sessionOptions = {
  secret: option({
    variable: { name: "SESSION_SECRET", scope: "shared", isSecret: true, ifUndefinedInCode: "read" },
    schema: secrets("signs"),
    default: REQUIRED,
    show: showSecrets,
  }),
  store: option({
    // The URL of a store may contain a password.
    variable: { name: "SESSION_STORE_URL", scope: "shared", isSecret: true, ifUndefinedInCode: "read" },
    schema: v.union(
      [
        v.pipe(
          v.custom<StoreObject>(isObject),
          v.check(
            (written) => isStore(written),
            ({ input }) => describeInvalidStore(input),
          ),
        ),
        v.pipe(v.string(), v.trim(), v.check(isStoreUrl, STORE)),
      ],
      STORE,
    ),
    default: value(MEMORY_URL),
    show: showStore,
  }),
  tokenEncryptionKey: option({
    variable: { name: "TOKEN_ENCRYPTION_KEY", scope: "shared", isSecret: true, ifUndefinedInCode: "read" },
    schema: secrets("encrypts"),
    default: NONE,
    show: showSecrets,
  }),
  sameSite: option({
    variable: { name: "SESSION_SAME_SITE", scope: "shared", isSecret: false, ifUndefinedInCode: "read" },
    schema: v.picklist(["lax", "strict"], "write lax or strict"),
    default: value("lax"),
    show: showText,
  }),
  sessionIdle: option({
    variable: { name: "SESSION_IDLE", scope: "shared", isSecret: false, ifUndefinedInCode: "read" },
    schema: seconds(1, MAX_SECONDS),
    default: value(24 * 60 * 60),
    show: showText,
  }),
  sessionAbsolute: option({
    variable: { name: "SESSION_ABSOLUTE", scope: "shared", isSecret: false, ifUndefinedInCode: "read" },
    schema: seconds(1, MAX_SECONDS),
    default: value(7 * 24 * 60 * 60),
    show: showText,
  }),
  keepSessionKeys: option({
    variable: undefined,
    schema: v.pipe(
      v.array(v.pipe(v.string(), v.nonEmpty()), "write a list of session keys"),
      v.check(
        (keys) => findReservedKey(keys) === undefined,
        "write keys of your own: id, cookie, portal and the like are taken",
      ),
    ),
    default: value([]),
    show: showText,
  }),
  sessionClaims: option({
    variable: undefined,
    schema: v.array(v.pipe(v.string(), v.nonEmpty()), "write a list of claim names"),
    default: value([]),
    show: showText,
  }),
};
