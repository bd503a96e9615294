import { HOUR_MS, SHORT_MS, type StoreCheck, type Trial } from "./trial.js";

/** Checks of changed lifetimes. */
const changedLives: readonly StoreCheck[] = [
  {
    name: "keeps the end of a record when replace() gets no life",
    risk: "each refresh of the tokens moves the end of the login, or the login never ends",
    async run(trial) {
      const key = trial.newKey();
      await trial.create(key, "first", 3 * HOUR_MS);
      await trial.one.touch(key, HOUR_MS);
      await trial.one.replace(key, 1, "second");
      await trial.reads(key, { text: "second", lifeMs: HOUR_MS }, " after replace() without lifeMs");
    },
  },
  {
    name: "gives a replaced record the life that replace() gets",
    risk: "sessions end too early or too late",
    async run(trial) {
      const key = trial.newKey();
      await trial.create(key, "first");
      await trial.one.replace(key, 1, "second", 2 * HOUR_MS);
      await trial.reads(key, { text: "second", lifeMs: 2 * HOUR_MS }, " after replace() with a longer life");
      await trial.one.replace(key, 2, "third", HOUR_MS);
      await trial.reads(key, { text: "third", lifeMs: HOUR_MS }, " after replace() with a shorter life");
    },
  },
  {
    name: "touches a record: its life becomes longer or shorter, and nothing else changes",
    risk: "sessions in use end, or a refresh at the same time cannot be saved",
    async run(trial) {
      const key = trial.newKey();
      await trial.create(key, "text");
      for (const lifeMs of [3 * HOUR_MS, HOUR_MS]) {
        trial.equals("touch()", await trial.one.touch(key, lifeMs), true);
        await trial.reads(
          key,
          { text: "text", version: 1, lifeMs },
          ` after touch() with a life of ${lifeMs} ms`,
        );
      }
    },
  },
  {
    name: "finds the record also when touch() does not change its end",
    risk: "a session in use counts as gone, and its user is signed out",
    async run(trial) {
      const key = trial.newKey();
      await trial.create(key, "text");
      const touched = await Promise.all([1, 2, 3, 4].map((call) => trial.adapter(call).touch(key, HOUR_MS)));
      trial.equals("touch() by four callers at the same moment", touched, [true, true, true, true]);
    },
  },
  {
    name: "accepts lives that are not whole milliseconds",
    risk: "requests fail at random, because the rest of a life is seldom a whole number",
    async run(trial) {
      const key = trial.newKey();
      await trial.create(key, "text", HOUR_MS + 0.4);
      trial.equals("touch() with a fraction", await trial.one.touch(key, HOUR_MS / 3 + 0.7), true);
      trial.equals(
        "replace() with a fraction",
        await trial.one.replace(key, 1, "text", HOUR_MS + 1 / 3),
        true,
      );
      await trial.reads(key, { lifeMs: HOUR_MS }, " after replace() with a fraction");
      await trial.one.index.add(key, "name", HOUR_MS + 0.4);
      await trial.lists(key, ["name"]);
    },
  },
  {
    name: "does not round a life down to whole seconds",
    risk: "a login that is in progress at a logout everywhere stays signed in",
    async run(trial) {
      for (const more of [0, 250, 500, 750]) await trial.keepsLife(HOUR_MS + more);
    },
  },
  {
    name: "accepts lives of over a year",
    risk: "long logins end at once, or after 24 days, where 32 bits are too few for milliseconds",
    async run(trial) {
      const key = trial.newKey();
      await trial.create(key, "text", 10_000 * HOUR_MS);
      await trial.reads(key, { lifeMs: 10_000 * HOUR_MS }, " after create() with a life of 10,000 hours");
      await trial.one.index.add(key, "name", 10_000 * HOUR_MS);
      await trial.lists(key, ["name"]);
    },
  },
];

/** Checks of each method with an expired record. The database may or may not have deleted it. */
const ends: readonly StoreCheck[] = [
  {
    name: "does not read a record that has expired",
    risk: "sessions live on until the database deletes them",
    async run(trial) {
      await expire(trial);
    },
  },
  {
    name: "creates a record in place of one that has expired, with version 1",
    risk: "a key stays blocked until the database deletes the old record",
    async run(trial) {
      const key = await expire(trial);
      await trial.create(key, "next");
      await trial.reads(
        key,
        { text: "next", version: 1, lifeMs: HOUR_MS },
        " after create() in place of an expired one",
      );
    },
  },
  {
    name: "does not replace a record that has expired",
    risk: "a slow process brings back a session that has ended",
    async run(trial) {
      const key = await expire(trial);
      for (const lifeMs of [undefined, HOUR_MS])
        trial.equals(
          "replace() of an expired record",
          await trial.one.replace(key, 1, "next", lifeMs),
          false,
        );
      await trial.readsNone(key, " after replace() of an expired record");
    },
  },
  {
    name: "does not touch a record that has expired",
    risk: "a slow request brings back a session that has ended",
    async run(trial) {
      const key = await expire(trial);
      trial.equals("touch() of an expired record", await trial.one.touch(key, HOUR_MS), false);
      await trial.readsNone(key, " after touch() of an expired record");
    },
  },
  {
    name: "does not resolve to an expired record when it removes one",
    risk: "a login that has ended is signed out as if it were alive, or a posted form is used after its time",
    async run(trial) {
      const key = await expire(trial);
      trial.isNone("remove() of an expired record", await trial.one.remove(key, 1));
      trial.isNone("remove() of an expired record", await trial.one.remove(key));
    },
  },
  {
    name: "ends a record after the shorter life that touch() gave it",
    risk: "sessions live longer than they should",
    async run(trial) {
      const key = trial.newKey();
      await trial.create(key, "text");
      await trial.one.touch(key, SHORT_MS);
      await trial.untilExpired(key);
    },
  },
  {
    name: "ends a record after the shorter life that replace() gave it",
    risk: "sessions live longer than they should",
    async run(trial) {
      const key = trial.newKey();
      await trial.create(key, "text");
      await trial.one.replace(key, 1, "next", SHORT_MS);
      await trial.untilExpired(key);
    },
  },
];

/** Resolves to the key of a record that has expired. */
async function expire(trial: Trial): Promise<string> {
  const key = trial.newKey();
  await trial.create(key, "text", SHORT_MS);
  await trial.untilExpired(key);
  return key;
}

export const lifeChecks: readonly StoreCheck[] = [...changedLives, ...ends];
