import { createHash } from "node:crypto";
import type { PortalSession, StoredPortal, StoredSession } from "../stored.js";
import { personOf } from "./making.js";
import type { Ended, Known, Person, SessionIndex } from "./session-index.js";

/** What a session was when it was destroyed, if it was. */
export interface Removed {
  readonly last: StoredSession | undefined;
  readonly stays: boolean;
}

/** Where sessions are kept. */
export interface Kept {
  readonly index: SessionIndex;
  read(id: string): Promise<StoredSession | undefined>;
  remove(id: string, mayGo: (stored: StoredSession) => boolean): Promise<Removed>;
  open(id: string, portal: StoredPortal): PortalSession | undefined;
}

/** One of the sessions that a person has. */
export interface FoundSession {
  /** Of the session: never shown to anybody. */
  readonly id: string;
  readonly entry: Known;
  readonly login: StoredPortal;
}

/** So many of a store's answers are waited for at once. */
const AT_ONCE = 50;

/** The sessions that a person has now. What was to end and has not, ends; what the index knows and is gone, goes. */
export async function findSessions(kept: Kept, person: Person): Promise<FoundSession[]> {
  const { index } = kept;
  const known = await index.of(person);
  if (known.some(({ ending }) => ending)) await endSessions(kept, person, () => false);
  const found = await each(
    known.filter(({ ending }) => !ending),
    async (entry) => ({ entry, login: (await kept.read(entry.id))?.portal }),
  );
  const missing = found.filter(({ login }) => !isOf(person, login));
  await index.sweep(
    person,
    missing.map(({ entry }) => entry.id),
  );
  return found.flatMap(({ entry, login }) => (isOf(person, login) ? [{ id: entry.id, entry, login }] : []));
}

/** A session that was ended, and its login as it was stored last. */
export interface EndedSession {
  readonly id: string;
  /** Undefined where its tokens cannot be opened. */
  readonly login: PortalSession | undefined;
}

/**
 * Destroys sessions of a person, whichever process has begun them. What was marked before, and is still there, as well.
 *
 * @param ended for a logout that ends logins as well that are being made
 */
export async function endSessions(
  kept: Kept,
  person: Person,
  isMeant: (entry: Known) => boolean,
  ended?: Ended,
): Promise<EndedSession[]> {
  return endMarked(kept, person, await kept.index.mark(person, isMeant, ended));
}

/** The same, of those alone: what was marked before is left to who looks next. */
export async function endThese(
  kept: Kept,
  person: Person,
  isMeant: (entry: Known) => boolean,
): Promise<EndedSession[]> {
  return endMarked(kept, person, (await kept.index.mark(person, isMeant)).filter(isMeant));
}

async function endMarked(kept: Kept, person: Person, marked: readonly Known[]): Promise<EndedSession[]> {
  const removed = await each(marked, async ({ id }) => {
    const { last, stays } = await kept.remove(id, ({ portal }) => isOf(person, portal));
    return stays || !last?.portal ? [] : [{ id, login: kept.open(id, last.portal) }];
  });
  const ids = marked.map(({ id }) => id);
  await kept.index.forget(person, ids).catch(() => {}); // they are gone, and marked: who looks next does so
  return removed.flat();
}

/** What a session is called where people see it: its id opens it. */
export const publicId = (id: string): string => createHash("sha256").update(id).digest("base64url").slice(0, 22);

/** Others may write to the store, and an application to its session: what is another person's is not this one's. */
function isOf(person: Person, login: StoredSession["portal"]): login is StoredPortal {
  if (!login?.claims) return false;
  const its = personOf(login);
  return its.issuer === person.issuer && its.client_id === person.client_id && its.sub === person.sub;
}

async function each<Item, Result>(items: readonly Item[], work: (item: Item) => Promise<Result>): Promise<Result[]> {
  const results: Result[] = [];
  for (let at = 0; at < items.length; at += AT_ONCE)
    results.push(...(await Promise.all(items.slice(at, at + AT_ONCE).map(work))));
  return results;
}
