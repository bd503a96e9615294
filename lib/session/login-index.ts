import type { RecordStore } from "../store/record-store.js";
import { sha256 } from "../util/sha256.js";
import type { LoginRecord } from "./login-record.js";

/** One user of one client at one provider. */
export interface LoginUser {
  readonly issuer: string;
  readonly client_id: string;
  readonly sub: string;
}

/** Returns the user of a login. */
export const getUser = ({
  issuer,
  client_id,
  claims,
}: Pick<LoginRecord, "issuer" | "client_id" | "claims">): LoginUser => ({
  issuer,
  client_id,
  sub: claims.sub,
});

/**
 * Returns the name of a user's list of logins in the store. It is a hash, so the store does not reveal the
 * user.
 */
export const getUserListName = ({ issuer, client_id, sub }: LoginUser): string =>
  `u:${hashNames(issuer, client_id, sub)}`;

/**
 * Returns the name of the list, in the store, of the users of a session at the provider.
 *
 * @param sid the session id that the provider has put into the ID token
 */
export const getProviderSessionListName = (
  { issuer, client_id }: Omit<LoginUser, "sub">,
  sid: string,
): string => `p:${hashNames(issuer, client_id, sid)}`;

const hashNames = (...names: readonly string[]): string => sha256(JSON.stringify(names));

/**
 * Lists the record keys of each user's logins. A key is listed before its record is written, and again when
 * the idle time of the login is extended. Therefore the list names every valid login, unless the store has
 * lost a part of it. A key whose record is gone expires from the list by itself.
 */
export class LoginIndex {
  readonly #records: RecordStore;

  constructor(records: RecordStore) {
    this.#records = records;
  }

  /**
   * Adds a key to the list of the login's user. It expires there after `idle_ms`.
   *
   * @param hasProviderSessionLists whether to add the name of that list to the list of the login's session at
   *   the provider. A login without a `sid` is in no such list.
   */
  async add(key: string, login: LoginRecord, hasProviderSessionLists: boolean): Promise<void> {
    const list = getUserListName(getUser(login));
    const sid = login.authentication?.sid;
    const additions = [this.#records.index.add(list, key, login.idle_ms)];
    if (hasProviderSessionLists && sid !== undefined)
      additions.push(this.#records.index.add(getProviderSessionListName(login, sid), list, login.idle_ms));
    await Promise.all(additions);
  }

  /** Returns the record keys of a user's logins. Some of the records may be gone. */
  listKeys(list: string): Promise<readonly string[]> {
    return this.#records.index.list(list);
  }

  /** Returns the names of the lists of the users who have logins of a session at the provider. */
  listUsers(providerSession: string): Promise<readonly string[]> {
    return this.#records.index.list(providerSession);
  }

  /** Removes keys from a user's list. */
  async remove(list: string, keys: readonly string[]): Promise<void> {
    if (keys.length > 0) await this.#records.index.remove(list, keys);
  }
}
