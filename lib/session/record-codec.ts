import type { Clock } from "../contract/clock.js";
import { PortalAuthError } from "../errors/portal-auth-error.js";
import { createEncryption } from "../util/encryption.js";
import { parseJsonObject } from "../util/parse-json-object.js";
import { TextCache } from "../util/text-cache.js";
import { type LoginRecord, LoginView } from "./login-record.js";

/** A login record as it was read from the store, decoded once. */
export interface DecodedLogin {
  readonly record: LoginRecord;
  readonly view: LoginView;
}

/** Turns login records into the text that the store keeps, and back. */
export interface RecordCodec {
  encode(key: string, record: LoginRecord): string;
  /**
   * Returns undefined for a text that cannot be decoded: other processes may use other keys, and others may
   * write to the store.
   */
  decode(key: string, text: string): DecodedLogin | undefined;
}

/** So much text of decoded records is remembered. A known text is neither parsed nor decrypted again. */
const MAX_CACHED_CHARACTERS = 16 * 1024 * 1024;
/** A record that was not read for so long may have ended, and its tokens need not stay in memory. */
const MAX_UNUSED_MS = 10 * 60_000;

/** The key is part of what is encrypted: a text that is copied to another session or login opens nothing. */
interface EncryptedContent {
  readonly key: string;
  readonly record: LoginRecord;
}

/**
 * Creates the codec of one portalAuth(). With keys of TOKEN_ENCRYPTION_KEY the whole record is encrypted and
 * bound to its key in the store. A record in clear text is refused, because a writer to the store could plant
 * one.
 *
 * @param report called once for each text that cannot be decoded
 */
export function createRecordCodec(
  keys: readonly string[],
  report: (error: PortalAuthError) => void,
  clock: Clock = Date.now,
): RecordCodec {
  const encryption = keys.length > 0 ? createEncryption(keys, "login record") : undefined;
  const cache = new TextCache<DecodedLogin | undefined>(MAX_CACHED_CHARACTERS, MAX_UNUSED_MS, clock);

  function open(key: string, text: string): LoginRecord | undefined {
    if (!encryption) return validateRecord(parseJsonObject(text));
    const { key: encryptedKey, record } = Object(encryption.decrypt(text)) as Partial<EncryptedContent>;
    return encryptedKey === key ? validateRecord(record) : undefined;
  }

  return {
    encode: (key, record) =>
      encryption ? encryption.encrypt({ key, record } satisfies EncryptedContent) : JSON.stringify(record),
    decode(key, text) {
      const cached = cache.find(key, text);
      if (cached) return cached.value;
      const record = open(key, text);
      if (!record)
        report(
          new PortalAuthError("tokens_unreadable", {
            detail: describeUnreadable(encryption !== undefined, text),
          }),
        );
      return cache.save(key, text, record && { record, view: new LoginView(record) });
    },
  };
}

function describeUnreadable(hasKey: boolean, text: string): string {
  const isEncrypted = !text.startsWith("{");
  if (!hasKey) return isEncrypted ? "an encrypted login record, and no key" : "not a login record";
  return isEncrypted
    ? "encrypted with another key or for another session, or changed"
    : "not encrypted, and a key is set";
}

/** Others may write to the store: the members that later code relies on are checked. */
function validateRecord(value: unknown): LoginRecord | undefined {
  const record = Object(value) as Partial<LoginRecord>;
  const isComplete =
    typeof record.tokens?.access_token === "string" &&
    typeof record.claims?.sub === "string" &&
    typeof record.login_id === "string" &&
    typeof record.session_id === "string" &&
    typeof record.idle_ms === "number" &&
    typeof record.started_at === "number" &&
    typeof record.version === "number" &&
    (record.authentication === undefined || isObject(record.authentication));
  return isComplete ? (record as LoginRecord) : undefined;
}

const isObject = (value: unknown): boolean => typeof value === "object" && value !== null;
