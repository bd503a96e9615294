import { HOUR_MS, type StoreCheck } from "./trial.js";

/** Checks of each method with a record that has not expired. */
export const recordChecks: readonly StoreCheck[] = [
  {
    name: "reads what it created, with version 1 and its life",
    risk: "every login is lost at the next request, or its refresh cannot be saved",
    async run(trial) {
      const key = trial.newKey();
      await trial.create(key, "first");
      await trial.reads(key, { text: "first", version: 1, lifeMs: HOUR_MS }, " after create()");
    },
  },
  {
    name: "finds nothing under an unknown key",
    risk: "visitors count as signed in, or get an error page",
    async run(trial) {
      const key = trial.newKey();
      await trial.readsNone(key, " of an unknown key");
      trial.equals("touch() of an unknown key", await trial.one.touch(key, HOUR_MS), false);
      trial.equals("replace() of an unknown key", await trial.one.replace(key, 1, "text", HOUR_MS), false);
      trial.isNone("remove() of an unknown key", await trial.one.remove(key));
      await trial.readsNone(key, " after touch(), replace() and remove() of an unknown key");
    },
  },
  {
    name: "creates a record once, and changes nothing the second time",
    risk: "two callbacks send the code of one login attempt, and the provider revokes its tokens",
    async run(trial) {
      const key = trial.newKey();
      await trial.create(key, "first");
      trial.equals(
        "create() of an existing record",
        await trial.one.create(key, "second", 2 * HOUR_MS),
        false,
      );
      await trial.reads(key, { text: "first", version: 1, lifeMs: HOUR_MS }, " after a second create()");
    },
  },
  {
    name: "removes a record, and resolves to what it removed",
    risk: "a logout ends nothing, or cannot revoke the tokens at the provider",
    async run(trial) {
      const key = trial.newKey();
      await trial.create(key, "text");
      trial.isRecord("remove()", await trial.one.remove(key), { text: "text", version: 1, lifeMs: HOUR_MS });
      await trial.readsNone(key, " after remove()");
      trial.isNone("remove() of a removed record", await trial.one.remove(key));
    },
  },
  {
    name: "does not bring back a removed record",
    risk: "a request that runs during a logout signs the user in again",
    async run(trial) {
      const key = trial.newKey();
      await trial.create(key, "text");
      await trial.one.remove(key);
      trial.equals("touch() of a removed record", await trial.one.touch(key, HOUR_MS), false);
      for (const version of [0, 1])
        trial.equals(
          "replace() of a removed record",
          await trial.one.replace(key, version, "next", HOUR_MS),
          false,
        );
      await trial.readsNone(key, " after touch() and replace() of a removed record");
    },
  },
  {
    name: "creates a record again after its removal, with version 1",
    risk: "a new login under the key of an old one fails, or its refresh cannot be saved",
    async run(trial) {
      const key = trial.newKey();
      await trial.create(key, "first");
      await trial.one.replace(key, 1, "changed");
      await trial.one.remove(key);
      await trial.create(key, "second");
      await trial.reads(
        key,
        { text: "second", version: 1 },
        " after create(), replace(), remove() and create()",
      );
    },
  },
  {
    name: "replaces a record of this version, and adds 1 to the version",
    risk: "the next refresh of the login cannot be saved, or overwrites another one",
    async run(trial) {
      const key = trial.newKey();
      await trial.create(key, "first");
      trial.equals("replace() of version 1", await trial.one.replace(key, 1, "second"), true);
      await trial.reads(key, { text: "second", version: 2 }, " after replace()");
    },
  },
  {
    name: "does not replace a record of another version",
    risk: "a slow process overwrites new tokens, and the provider revokes the login at the next refresh",
    async run(trial) {
      const key = trial.newKey();
      await trial.create(key, "first");
      await trial.one.replace(key, 1, "second");
      for (const version of [0, 1, 3]) {
        const isReplaced = await trial.one.replace(key, version, "stale", 2 * HOUR_MS);
        trial.equals(`replace() of version ${version}, while the record has version 2,`, isReplaced, false);
      }
      await trial.reads(
        key,
        { text: "second", version: 2, lifeMs: HOUR_MS },
        " after replace() of another version",
      );
    },
  },
  {
    name: "counts versions beyond one digit",
    risk: "a login can be refreshed nine times only",
    async run(trial) {
      const key = trial.newKey();
      await trial.create(key, "1");
      for (let version = 1; version < 12; version += 1)
        trial.equals("replace()", await trial.one.replace(key, version, `${version + 1}`), true);
      await trial.reads(key, { text: "12", version: 12 }, " after 11 replacements");
      trial.equals("replace() of version 1", await trial.one.replace(key, 1, "stale"), false);
    },
  },
  {
    name: "removes a record only of the version that is given",
    risk: "a rejected old refresh token ends a login that another process has just refreshed",
    async run(trial) {
      const key = trial.newKey();
      await trial.create(key, "first");
      await trial.one.replace(key, 1, "second");
      for (const version of [1, 3])
        trial.isNone("remove() of another version", await trial.one.remove(key, version));
      await trial.reads(key, { text: "second", version: 2 }, " after remove() of another version");
      trial.isRecord("remove() of version 2", await trial.one.remove(key, 2), { text: "second", version: 2 });
      await trial.readsNone(key, " after remove() of its version");
    },
  },
];
