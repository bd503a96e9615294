import type { Clock } from "../../clock.js";
import { recordFor, recordId } from "../record.js";
import type { StoredSession } from "../stored.js";
import type { Change, Update } from "../update.js";

/** Whose sessions. */
export interface Person {
  readonly issuer: string;
  readonly client_id: string;
  readonly sub: string;
}

/** A session as the index knows it. */
export interface Entry {
  /** Of the session. */
  readonly id: string;
  readonly redirect_uri: string;
  /** When the login began, in epoch seconds. */
  readonly started_at: number;
  /** No login in it lives longer, in epoch seconds. */
  readonly ends_at: number;
  /** Of the login, in whichever session it is; undefined of one that began before logins had one. */
  readonly login_id?: string | undefined;
  /** Of the session at the portal, where that has one. */
  readonly sid?: string | undefined;
  /** Of the ID token, in epoch seconds. */
  readonly iat?: number | undefined;
  /** When we asked the provider for the tokens, by our clock, in epoch milliseconds. */
  readonly asked_at?: number | undefined;
  /** What the browser said it was. */
  readonly user_agent?: string | undefined;
}

/** A logout that ends logins as well that are being made at the same time. */
export type Ended = EndedByProvider | EndedByUser;

/** The user has signed out everywhere: of one router, as each lists and ends its own sessions. */
export interface EndedByUser {
  readonly redirect_uri: string;
}

/** A logout that the provider has asked for. */
export interface EndedByProvider {
  /** Of that session at the portal alone; undefined for all of the person's. */
  readonly sid: string | undefined;
  /** Of the logout token: logins that the portal has told of later are others. In epoch seconds. */
  readonly iat: number;
  /** So much later it may still be told of a login of the session `sid`, as a portal has several clocks. In seconds. */
  readonly tolerance: number;
}

/** The same, in the index. */
export interface Known extends Entry {
  /** By our clock, in epoch milliseconds. */
  readonly added_at: number;
  /** There once it is to end, until the session is destroyed: so that whoever looks next can finish that. */
  readonly ending?: true;
  /** When nothing was found there for the first time, by our clock, in epoch milliseconds. */
  readonly gone_at?: number;
}

/** `at` is the time of the logout by our clock, in epoch milliseconds. */
type Past = Ended & { readonly at: number };

const isByUser = <T extends Ended>(ended: T): ended is Extract<T, EndedByUser> => "redirect_uri" in ended;

/** Whether one logout takes the place of another, however often it is repeated. */
const isSameLogout = (one: Ended, other: Ended): boolean =>
  isByUser(one)
    ? isByUser(other) && one.redirect_uri === other.redirect_uri
    : !isByUser(other) && one.sid === other.sid;

/** What tells whether a logout is meant for a login that is being made. */
type Making = Pick<Entry, "sid" | "iat" | "asked_at"> & { readonly redirect_uri?: string };

/** What is kept of a person, or, by the portal's session, of whom it is. */
interface Content {
  readonly sessions: readonly Known[];
  readonly subs: readonly string[];
  readonly ended: readonly Past[];
}

/** A person has at most so many sessions; each login reads and writes them all. */
export const MOST_SESSIONS = 2000;
/** A login that is being made is finished after so long, or never will be. */
const MAKING_MS = 10 * 60_000;
/** What has been missing in the store for so long is not just being written. */
const WRITTEN_MS = 60_000;

/**
 * Which sessions a person has, kept in the session store itself: so that all of them can be listed and ended, from whichever
 * process, without a check that other requests pay for. Written when a login begins, before its session: then there is none
 * that it does not know. What it knows and is not there any more is nobody's harm, and is swept away by who looks.
 *
 * What is to end is marked first and taken out last. So a process that is killed in between leaves nothing behind that the
 * next one would not end; and a login that is made at the same moment finds the mark, whichever of both comes first.
 */
export class SessionIndex {
  readonly #update: Update;
  readonly #clock: Clock;

  constructor(update: Update, clock: Clock) {
    this.#update = update;
    this.#clock = clock;
  }

  /**
   * Makes a session known that is about to be written.
   *
   * @param isMoved whether this login was in another session before: it must be known by that then
   * @param findsBySid whether it is to be found by the portal's session as well
   * @returns how many sessions the person has, as far as is known; 0 for a login that has ended already
   */
  async add(person: Person, entry: Entry, isMoved: boolean, findsBySid: boolean): Promise<number> {
    if (!isMoved && findsBySid && entry.sid !== undefined && !(await this.#addSid(person, entry, entry.sid))) return 0;
    let count = 0;
    await this.#change(recordOf(person), entry.ends_at, (content) => {
      count = 0;
      const holder = isMoved ? content.sessions.find((known) => !known.ending && isSameLogin(known, entry)) : undefined;
      // of a login that began before it had a name nobody can tell: it is moved as it was then
      const isAlive = isMoved ? holder !== undefined || entry.login_id === undefined : !this.#hasEnded(entry, content);
      if (!isAlive) return undefined;
      const others = content.sessions.filter(({ id, ends_at }) => id !== entry.id && ends_at * 1000 > this.#clock());
      count = others.length + 1;
      const added = { ...entry, ends_at: holder?.ends_at ?? entry.ends_at, added_at: this.#clock() };
      return { ...content, sessions: [...withoutMany(others), added] };
    });
    return count;
  }

  /** Whether a session that was made known has not been ended since. */
  async holds(person: Person, session: string): Promise<boolean> {
    const { sessions } = await this.#read(recordOf(person));
    return sessions.some(({ id, ending }) => id === session && !ending);
  }

  /** Those that are to end among them: whoever was to end them has not come to it. */
  async of(person: Person): Promise<readonly Known[]> {
    return (await this.#read(recordOf(person))).sessions;
  }

  /**
   * Marks sessions as to be ended, and gives them.
   *
   * @param ended for a logout that ends logins as well that are being made
   */
  async mark(person: Person, isMeant: (entry: Known) => boolean, ended?: Ended): Promise<readonly Known[]> {
    let marked: readonly Known[] = [];
    await this.#change(recordOf(person), 0, (content) => {
      const sessions = content.sessions.map((entry): Known => (isMeant(entry) ? { ...entry, ending: true } : entry));
      marked = sessions.filter(({ ending }) => ending);
      return { ...content, sessions, ended: this.#withEnded(content, ended) };
    });
    return marked;
  }

  /**
   * Who has sessions that belong to this one of the portal. A login that is made at the same moment will not be.
   *
   * @param onlyKnown whether nothing is to be noted of one that nobody has
   */
  async endSid(
    { issuer, client_id }: Omit<Person, "sub">,
    ended: EndedByProvider & { readonly sid: string },
    onlyKnown: boolean,
  ): Promise<readonly string[]> {
    let subs: readonly string[] = [];
    await this.#change(recordId("sid", issuer, client_id, ended.sid), 0, (content) => {
      ({ subs } = content);
      if (subs.length === 0 && onlyKnown) return undefined;
      return { ...content, ended: this.#withEnded(content, ended) };
    });
    return subs;
  }

  /** Takes sessions out that are gone. */
  async forget(person: Person, ids: readonly string[]): Promise<void> {
    if (ids.length === 0) return;
    const gone = new Set(ids);
    await this.#change(recordOf(person), 0, (content) => {
      const sessions = content.sessions.filter(({ id }) => !gone.has(id));
      return sessions.length === content.sessions.length ? undefined : { ...content, sessions };
    });
  }

  /**
   * Takes those out of which nothing is stored, once that is so for a while: a session may just be being written, or an
   * application moves its login, which is held by nothing else until it is in the other one.
   */
  async sweep(person: Person, missing: readonly string[]): Promise<void> {
    if (missing.length === 0) return;
    const gone = new Set(missing);
    const swept = (entry: Known): Known[] => {
      if (!gone.has(entry.id)) return [entry];
      const { gone_at = this.#clock() } = entry;
      if (gone_at + WRITTEN_MS < this.#clock()) return [];
      return [entry.gone_at === undefined ? { ...entry, gone_at } : entry];
    };
    await this.#change(recordOf(person), 0, (content) => {
      const sessions = content.sessions.flatMap(swept);
      const isSame =
        sessions.length === content.sessions.length && sessions.every((one, at) => one === content.sessions[at]);
      return isSame ? undefined : { ...content, sessions };
    });
  }

  /** @returns false for a session of the portal that has ended already */
  async #addSid({ issuer, client_id, sub }: Person, { iat, ends_at }: Entry, sid: string): Promise<boolean> {
    let isAlive = true;
    await this.#change(recordId("sid", issuer, client_id, sid), ends_at, (content, livesUntil) => {
      isAlive = !this.#hasEnded({ sid, iat }, content);
      const isKnown = content.subs.includes(sub) && livesUntil >= ends_at * 1000;
      if (!isAlive || isKnown) return undefined;
      return { ...content, subs: [...new Set([...content.subs, sub])] };
    });
    return isAlive;
  }

  #withEnded(content: Content, another: Ended | undefined): readonly Past[] {
    const recent = this.#recent(content);
    if (!another) return recent;
    const at = this.#clock();
    const others = recent.filter((past) => !isSameLogout(past, another));
    if (isByUser(another)) return [...others, { ...another, at }];
    const repeated = recent.flatMap((past) => (!isByUser(past) && past.sid === another.sid ? [past.iat] : []));
    return [...others, { ...another, iat: Math.max(another.iat, ...repeated), at }];
  }

  #recent({ ended }: Content): readonly Past[] {
    return ended.filter(({ at }) => at + MAKING_MS > this.#clock());
  }

  /** Whether a logout has ended this login while it was being made. */
  #hasEnded(login: Making, content: Content): boolean {
    const { sid, iat = Number.POSITIVE_INFINITY, asked_at = Number.POSITIVE_INFINITY } = login;
    return this.#recent(content).some((past) => {
      // in the same millisecond counts as later: a clock that stands still in a test refuses no login
      if (isByUser(past)) return past.redirect_uri === login.redirect_uri && asked_at < past.at;
      if (sid !== undefined && sid === past.sid) return iat <= past.iat + past.tolerance;
      return iat <= past.iat && (past.sid === undefined || sid === undefined);
    });
  }

  async #read(id: string): Promise<Content> {
    return contentOf(await this.#update(id, () => undefined));
  }

  async #change(
    id: string,
    endsAtSeconds: number,
    change: (content: Content, livesUntil: number) => Content | undefined,
  ): Promise<void> {
    const toRecord: Change = (stored) => {
      const livesUntil = endOf(stored);
      const next = change(contentOf(stored), livesUntil);
      if (!next) return undefined;
      if (next.sessions.length + next.subs.length + next.ended.length === 0) return null;
      const until = Math.max(livesUntil, endsAtSeconds * 1000, next.ended.length > 0 ? this.#clock() + MAKING_MS : 0);
      return recordFor(this.#clock, until - this.#clock(), { index: next });
    };
    await this.#update(id, toRecord, { cookie: {} });
  }
}

/** Of too many the oldest are to end, whether or not they are still there. */
const withoutMany = (sessions: readonly Known[]): Known[] =>
  sessions.map((entry, index) => (index <= sessions.length - MOST_SESSIONS ? { ...entry, ending: true } : entry));

/** What a login is called; undefined for one from before logins had a name, which is like no other. */
type Name = Pick<Entry, "login_id">;

const isSameLogin = ({ login_id }: Name, other: Name): boolean => login_id !== undefined && login_id === other.login_id;

/** The session of this id, and those that the login in it was moved to. */
export const holderOfLogin =
  (id: string, login: Name) =>
  (entry: Known): boolean =>
    entry.id === id || isSameLogin(entry, login);

const recordOf = ({ issuer, client_id, sub }: Person): string => recordId("person", issuer, client_id, sub);

/** Others may write to the store. */
function contentOf(stored: StoredSession | undefined): Content {
  const { sessions = [], subs = [], ended = [] } = Object(stored?.["index"]) as Partial<Content>;
  return { sessions, subs, ended };
}

const endOf = ({ cookie: { expires } }: StoredSession): number => (expires ? new Date(expires).getTime() : 0);
