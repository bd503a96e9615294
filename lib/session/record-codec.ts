import type { Clock } from "../contract/clock.js";
import { PortalAuthError } from "../errors/portal-auth-error.js";
import { createEncryption } from "../util/encryption.js";
import { parseJsonObject } from "../util/parse-json-object.js";
import { TextCache } from "../util/text-cache.js";
import { type LoginRecord, LoginView } from "./login-record.js";

/** A decoded login record, and its view for `req.session.portal`. */
export interface DecodedLogin {
  readonly record: LoginRecord;
  readonly view: LoginView;
}

/** Encodes login records as text for the store, and decodes them. */
export interface RecordCodec {
  /** Encodes a record as the text that is stored under this key. */
  encode(key: string, record: LoginRecord): string;
  /**
   * Decodes the text that was stored under this key. Returns undefined if that is not possible: another
   * process may use another encryption key, and others can write to the store.
   */
  decode(key: string, text: string): DecodedLogin | undefined;
}

/** The maximum text of decoded records in memory. A text in memory is neither parsed nor decrypted again. */
const MAX_CACHED_CHARACTERS = 16 * 1024 * 1024;
/** A record that was not read for this time is forgotten: it may have ended, and it holds tokens. */
const MAX_UNUSED_MS = 10 * 60_000;

/** The record's key is encrypted with it. If an attacker copies a text to another key, it is rejected. */
interface EncryptedContent {
  readonly key: string;
  readonly record: LoginRecord;
}

/**
 * Creates the codec of one portalAuth(). With keys of TOKEN_ENCRYPTION_KEY, each record is encrypted together
 * with its key in the store. An unencrypted record is rejected then, because an attacker with write access to
 * the store could have written it.
 *
 * The codec caches decoded texts, also those that cannot be decoded. Requests of one login share the decoded
 * record.
 *
 * @param keys the first key encrypts; all keys decrypt. Without keys, records are stored as JSON
 * @param report called with a `tokens_unreadable` error if a text cannot be decoded. It is not called again
 *   while the text is in the cache.
 * @param clock measures how long a cached text was not used. Default: Date.now
 */
export function createRecordCodec(
  keys: readonly string[],
  report: (error: PortalAuthError) => void,
  clock: Clock = Date.now,
): RecordCodec {
  const encryption = keys.length > 0 ? createEncryption(keys, "login record") : undefined;
  const cache = new TextCache<DecodedLogin | undefined>(MAX_CACHED_CHARACTERS, MAX_UNUSED_MS, clock);

  function parse(key: string, text: string): LoginRecord | undefined {
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
      const record = parse(key, text);
      if (!record) {
        const detail = describeUnreadable(encryption !== undefined, text);
        report(new PortalAuthError("tokens_unreadable", { detail }));
      }
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

/** Checks the members that later code relies on, because others can write to the store. */
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
