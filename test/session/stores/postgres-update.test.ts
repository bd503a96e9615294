import session from "express-session";
import { expect, onTestFinished, test } from "vitest";
import { openStore } from "../../../lib/session/stores/open-store.js";
import { postgresUpdate } from "../../../lib/session/stores/postgres-update.js";
import { promised } from "../../../lib/session/update.js";
import { describeWithPostgres } from "../../support/servers/describe.js";

const ID = "the-session";

describeWithPostgres("changes from two processes at once are all there", (postgres) => {
  test.each(["read committed", "repeatable read", "serializable"])(
    "in a database whose default isolation is %s",
    async (isolation) => {
      const options = `-c default_transaction_isolation=${isolation.replace(" ", "\\ ")}`;
      const url = `${postgres().url}?options=${encodeURIComponent(options)}`;
      const opened = [openStore(url, console.warn), openStore(url, console.warn)] as const;
      onTestFinished(async () => void (await Promise.all(opened.map(({ close }) => close()))));
      const [{ store }] = opened;
      await promised((done) => store.set(ID, { cookie: new session.Cookie() } as never, done));
      const updates = opened.map(({ store }) => postgresUpdate(store));
      const changes = Array.from({ length: 40 }, (_, n) =>
        updates[n % 2]?.(ID, (stored) => ({ ...stored, [`n${n}`]: n })),
      );
      await Promise.all(changes);
      const kept = await promised<unknown>((done) => store.get(ID, done));
      expect(Object.keys(kept ?? {})).toHaveLength(1 + 40);
    },
  );
});

test("a session that cannot be read because others write is looked for again, and not taken for gone", async () => {
  const answers = [[Object.assign(new Error("could not serialize access"), { code: "40001" })], [null, { text: "{}" }]];
  const query = (_text: string, _values: unknown[], done: (...answer: unknown[]) => void) =>
    done(...(answers.shift() ?? []));
  const store = { quotedTable: () => '"session"', query };
  expect(await postgresUpdate(store as never)(ID, () => undefined)).toEqual({});
});
