import { HOUR_MS, SHORT_MS, type StoreCheck, times } from "./trial.js";

const CALLERS = 40;

/** Checks of lists of names. */
const lists: readonly StoreCheck[] = [
  {
    name: "lists the names that were added, each once",
    risk: "the list of a user's sessions is wrong, and a logout on all devices misses one",
    async run(trial) {
      const list = trial.newKey();
      await trial.lists(list, [], " of an unknown list");
      for (const name of ["b", "a", "b"]) await trial.one.index.add(list, name, HOUR_MS);
      await trial.one.index.add(`${list}2`, "c", HOUR_MS);
      await trial.lists(list, ["a", "b"]);
    },
  },
  {
    name: "removes names, and ignores unknown ones",
    risk: "sessions that have ended stay in the list, or a logout fails",
    async run(trial) {
      const list = trial.newKey();
      for (const name of ["a", "b", "c"]) await trial.one.index.add(list, name, HOUR_MS);
      await trial.one.index.remove(list, ["a", "c", "unknown"]);
      await trial.one.index.remove(list, []);
      await trial.one.index.remove(trial.newKey(), ["a"]);
      await trial.lists(list, ["b"], " after index.remove() of the others");
      await trial.one.index.remove(list, ["b"]);
      await trial.lists(list, [], " after index.remove() of all names");
    },
  },
  {
    name: "adds a name again after its removal",
    risk: "a logout on all devices misses a session",
    async run(trial) {
      const list = trial.newKey();
      await trial.one.index.add(list, "a", HOUR_MS);
      await trial.one.index.remove(list, ["a"]);
      await trial.one.index.add(list, "a", HOUR_MS);
      await trial.lists(list, ["a"], " after index.add(), index.remove() and index.add()");
    },
  },
  {
    name: "does not confuse a list with a record under the same key",
    risk: "a logout removes the list of the user's other sessions",
    async run(trial) {
      const key = trial.newKey();
      await trial.create(key, "text");
      await trial.one.index.add(key, "a", HOUR_MS);
      await trial.reads(key, { text: "text", version: 1 }, " after index.add() to a list of the same key");
      await trial.one.remove(key);
      await trial.lists(key, ["a"], " after remove() of a record of the same key");
    },
  },
  {
    name: "lists a thousand names, and removes them in one call",
    risk: "a user with many sessions cannot end them all",
    async run(trial) {
      const list = trial.newKey();
      const names = times(1000, (at) => `name ${at} ${"x".repeat(40)}`);
      await Promise.all(names.map((name) => trial.one.index.add(list, name, HOUR_MS)));
      await trial.lists(list, names, " after index.add() of 1000 names");
      await trial.one.index.remove(list, names);
      await trial.lists(list, [], " after index.remove() of 1000 names");
    },
  },
  {
    name: "keeps every name that many callers add and remove at the same moment",
    risk: "a logout on all devices misses a session",
    async run(trial) {
      const list = trial.newKey();
      const old = times(CALLERS, (at) => `old ${at}`);
      const added = times(CALLERS, (at) => `added ${at}`);
      await Promise.all(old.map((name, at) => trial.adapter(at).index.add(list, name, HOUR_MS)));
      await trial.lists(list, old, " after index.add() by many callers");
      await Promise.all([
        ...added.map((name, at) => trial.adapter(at).index.add(list, name, HOUR_MS)),
        ...old.map((name, at) => trial.adapter(at).index.remove(list, [name])),
      ]);
      await trial.lists(list, added, " after index.add() and index.remove() by many callers");
    },
  },
];

/** Checks of the lifetime of names. */
const names: readonly StoreCheck[] = [
  {
    name: "omits names that have expired, and keeps a list as long as its last name",
    risk: "sessions that have ended are shown, or a logout on all devices misses the others",
    async run(trial) {
      const list = trial.newKey();
      await trial.one.index.add(list, "short before", SHORT_MS);
      await trial.one.index.add(list, "long", HOUR_MS);
      await trial.one.index.add(list, "short after", SHORT_MS);
      await trial.untilUnlisted(list, "short before");
      await trial.untilUnlisted(list, "short after");
      await trial.lists(list, ["long"], " after the other names have expired");
    },
  },
  {
    name: "extends the life of a name",
    risk: "a logout on all devices misses a session that has been in use for long",
    async run(trial) {
      const list = trial.newKey();
      await trial.one.index.add(list, "extended", SHORT_MS);
      await trial.one.index.add(list, "extended", HOUR_MS);
      await trial.one.index.add(list, "short", SHORT_MS);
      await trial.untilUnlisted(list, "short");
      await trial.lists(list, ["extended"], " after index.add() with a longer life");
    },
  },
  {
    name: "never shortens the life of a name",
    risk: "a logout on all devices misses a session",
    async run(trial) {
      const list = trial.newKey();
      await trial.one.index.add(list, "kept", HOUR_MS);
      await trial.one.index.add(list, "kept", SHORT_MS);
      await trial.one.index.add(list, "short", SHORT_MS);
      await trial.untilUnlisted(list, "short");
      await trial.lists(list, ["kept"], " after index.add() with a shorter life");
    },
  },
  {
    name: "adds a name again after it has expired",
    risk: "a logout on all devices misses a session",
    async run(trial) {
      const list = trial.newKey();
      await trial.one.index.add(list, "again", SHORT_MS);
      await trial.untilUnlisted(list, "again");
      await trial.one.index.add(list, "again", HOUR_MS);
      await trial.lists(list, ["again"], " after index.add() of an expired name");
    },
  },
];

export const indexChecks: readonly StoreCheck[] = [...lists, ...names];
