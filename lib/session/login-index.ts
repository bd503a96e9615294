import type { RecordStore } from "../store/record-store.js";
import { sha256 } from "../util/sha256.js";
import type { LoginRecord } from "./login-record.js";

/** One user of one client at one provider. */
export interface LoginUser {
  readonly issuer: string;
  readonly client_id: string;
  readonly sub: string;
}

export const getUser = ({
  issuer,
  client_id,
  claims,
}: Pick<LoginRecord, "issuer" | "client_id" | "claims">): LoginUser => ({
  issuer,
  client_id,
  sub: claims.sub,
});

/** The name of a user's list of logins. A hash: the store does not show who it is. */
export const getUserListName = ({ issuer, client_id, sub }: LoginUser): string =>
  `u:${hashNames(issuer, client_id, sub)}`;

/** The name of the list that tells whose logins belong to a session at the provider. */
export const getProviderSessionListName = (
  { issuer, client_id }: Omit<LoginUser, "sub">,
  sid: string,
): string => `p:${hashNames(issuer, client_id, sid)}`;

const hashNames = (...names: readonly string[]): string => sha256(JSON.stringify(names));

/**
 * Lists the record keys of each user's logins. A key is listed before its record is written, and again
 * whenever the login's idle end moves. So the list names every login that counts, unless the store has lost a
 * part of it. A key whose record is gone expires from the list by itself.
 */
export class LoginIndex {
  readonly #records: RecordStore;

  constructor(records: RecordStore) {
    this.#records = records;
  }

  /** Lists a login under its user, and under its session at the provider if logouts can name that. */
  async add(key: string, login: LoginRecord, findsBySid: boolean): Promise<void> {
    const list = getUserListName(getUser(login));
    const sid = login.authentication?.sid;
    const adding = [this.#records.index.add(list, key, login.idle_ms)];
    if (findsBySid && sid !== undefined)
      adding.push(this.#records.index.add(getProviderSessionListName(login, sid), list, login.idle_ms));
    await Promise.all(adding);
  }

  /** The record keys of a user's logins, by the name of the user's list. */
  listKeys(list: string): Promise<readonly string[]> {
    return this.#records.index.list(list);
  }

  /** The lists of the users whose logins belong to a session at the provider. */
  listUsers(providerSession: string): Promise<readonly string[]> {
    return this.#records.index.list(providerSession);
  }

  async remove(list: string, keys: readonly string[]): Promise<void> {
    if (keys.length > 0) await this.#records.index.remove(list, keys);
  }
}
