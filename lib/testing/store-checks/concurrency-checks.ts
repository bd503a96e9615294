import { HOUR_MS, SHORT_MS, type StoreCheck, type Trial, times } from "./trial.js";

const CALLERS = 40;
const KEYS = 20;

/** One of many callers creates a record, whether or not an expired one is in its place. */
async function createsOnce(trial: Trial, key: string): Promise<void> {
  const created = await Promise.all(
    times(CALLERS, (at) => trial.adapter(at).create(key, `caller ${at}`, HOUR_MS)),
  );
  trial.isOne("create() under one key at the same moment", created);
  await trial.reads(
    key,
    { text: `caller ${created.indexOf(true)}`, version: 1 },
    " after create() by many callers",
  );
}

/** Runs a race for each of many new records. */
const races = (trial: Trial, race: (key: string) => Promise<void>): Promise<unknown> =>
  Promise.all(
    times(KEYS, async () => {
      const key = trial.newKey();
      await trial.create(key, "first");
      await race(key);
    }),
  );

/** Checks with two processes at the same moment. */
export const concurrencyChecks: readonly StoreCheck[] = [
  {
    name: "shows every other connection what a write has confirmed",
    risk: "a user who has just signed in is a visitor at the next process, and a logout does not count there",
    async run(trial) {
      const key = trial.newKey();
      const { one, other } = trial;
      await trial.create(key, "first");
      trial.isRecord("read() on another connection after create()", await other.read(key), { text: "first" });
      await one.replace(key, 1, "second");
      trial.isRecord("read() on another connection after replace()", await other.read(key), {
        text: "second",
      });
      await one.remove(key);
      trial.isNone("read() on another connection after remove()", await other.read(key));
      await one.index.add(key, "name", HOUR_MS);
      trial.equals("index.list() on another connection after index.add()", await other.index.list(key), [
        "name",
      ]);
      await one.index.remove(key, ["name"]);
      trial.equals(
        "index.list() on another connection after index.remove()",
        await other.index.list(key),
        [],
      );
    },
  },
  {
    name: "lets one of many callers create a record",
    risk: "two processes send the same code, and the provider revokes the tokens that the first one got",
    run: (trial) => createsOnce(trial, trial.newKey()),
  },
  {
    name: "lets one of many callers create a record in place of an expired one",
    risk: "two processes send the same code, and the provider revokes the tokens that the first one got",
    async run(trial) {
      const key = trial.newKey();
      await trial.create(key, "expired", SHORT_MS);
      await trial.untilExpired(key);
      await createsOnce(trial, key);
    },
  },
  {
    name: "lets one of many callers replace a version",
    risk: "two processes use one refresh token, and the provider revokes the login",
    async run(trial) {
      const key = trial.newKey();
      await trial.create(key, "first");
      const replaced = await Promise.all(
        times(CALLERS, (at) => trial.adapter(at).replace(key, 1, `caller ${at}`)),
      );
      trial.isOne("replace() of one version at the same moment", replaced);
      const text = `caller ${replaced.indexOf(true)}`;
      await trial.reads(key, { text, version: 2 }, " after replace() by many callers");
    },
  },
  {
    name: "lets one of many callers have the record that it removes",
    risk: "what may be used once, such as a posted form, is used twice",
    async run(trial) {
      const key = trial.newKey();
      await trial.create(key, "text");
      const removed = await Promise.all(times(CALLERS, (at) => trial.adapter(at).remove(key)));
      trial.isOne("remove() of one record at the same moment", removed.map(Boolean));
      trial.isRecord("remove() for that caller", removed.find(Boolean), { text: "text", version: 1 });
    },
  },
  {
    name: "replaces or removes a version, but not both",
    risk: "a refresh at the moment of a logout brings the login back, or its new tokens are not revoked",
    async run(trial) {
      await races(trial, async (key) => {
        const calls = [trial.one.replace(key, 1, "second"), trial.other.remove(key, 1)] as const;
        const [isReplaced, removed] = await Promise.all(calls);
        trial.isOne("replace() or remove() of one version at the same moment", [
          isReplaced,
          Boolean(removed),
        ]);
        if (isReplaced) await trial.reads(key, { text: "second", version: 2 }, " after replace()");
        else await trial.readsNone(key, " after remove()");
      });
    },
  },
  {
    name: "reads a text and a version that belong together",
    risk: "a process takes old tokens for the newest, and the provider revokes the login at the next refresh",
    async run(trial) {
      const key = trial.newKey();
      await trial.create(key, "1");
      let isWriting = true;
      const written = replaceInTurn(trial, key).finally(() => {
        isWriting = false;
      });
      try {
        while (isWriting) {
          const record = await trial.other.read(key);
          trial.isRecord("read() during replacements", record, { text: String(record?.version) });
        }
      } finally {
        await written;
      }
    },
  },
  {
    name: "keeps the text of a replacement when touch() runs at the same moment",
    risk: "old tokens come back, and the provider revokes the login at the next refresh",
    async run(trial) {
      await races(trial, async (key) => {
        const touches = times(4, (at) => trial.adapter(at).touch(key, 2 * HOUR_MS));
        const [isReplaced] = await Promise.all([trial.other.replace(key, 1, "second"), ...touches]);
        trial.equals("replace() while touch() runs", isReplaced, true);
        await trial.reads(
          key,
          { text: "second", version: 2, lifeMs: 2 * HOUR_MS },
          " after replace() and touch()",
        );
      });
    },
  },
  {
    name: "does not bring a record back when touch() runs at the moment of its removal",
    risk: "a request that runs during a logout signs the user in again",
    async run(trial) {
      await races(trial, async (key) => {
        const touches = times(4, (at) => trial.adapter(at).touch(key, 2 * HOUR_MS));
        const [removed] = await Promise.all([trial.other.remove(key), ...touches]);
        trial.isRecord("remove() while touch() runs", removed, { text: "first", version: 1 });
        await trial.readsNone(key, " after remove() and touch()");
      });
    },
  },
];

const REPLACEMENTS = 30;

async function replaceInTurn({ one }: Trial, key: string): Promise<void> {
  for (let version = 1; version <= REPLACEMENTS; version += 1)
    await one.replace(key, version, String(version + 1));
}
