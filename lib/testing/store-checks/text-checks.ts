import { HOUR_MS, type StoreCheck } from "./trial.js";

/** Texts that a database may confuse, cut or reject, by their special content. */
const TEXTS: readonly [string, string][] = [
  ["an empty text", ""],
  ["a JSON text with its spaces and its order", '{"b":1, "a":[1,"two",null],"b":2.0}'],
  ["a JSON text with escaped NUL, lone surrogate and line ends", JSON.stringify("\0 \ud800 \r\n")],
  ["Chinese and combining characters", "登录 e\u0301 \u00e9 \u202e"],
  ["emoji", "👩‍👩‍👧 🔑"],
  ["quotes and backslashes", `' " \` '' \\ \\' \\0 ; -- /*`],
  ["placeholders", `? ?? $1 :name @name %s %% \${a} {0}`],
  ["an operator of MongoDB", "$$NOW"],
  ["spaces and line ends at both ends", " \r\n\t text \t\r\n "],
  ["a number", "1e400"],
  ["two million characters", `${"0123456789abcdef".repeat(125_000)}.`],
];

/** Keys that a database may take for one key, by how they differ. */
const PAIRS: readonly [string, string, string][] = [
  ["case", "key-a", "key-A"],
  ["a space at the end", "key", "key "],
  ["an accent", "cafe", "caf\u00e9"],
  ["Unicode normalization", "caf\u00e9", "cafe\u0301"],
  ["glob patterns", "key*", "key?"],
  ["LIKE patterns", "key%", "key_"],
  ["braces", "{key}", "key"],
  ["colons", "a:b", "a::b"],
  ["dots and dollar signs", "$key.a", "key"],
  ["slashes", "../key", "key"],
  ["quotes and backslashes", "key\\'", "key'"],
  ["line ends", "key\r\n", "key\n"],
  ["an emoji", "key👩", "key👧"],
  ["the last of 500 characters", `${"k".repeat(499)}1`, `${"k".repeat(499)}2`],
];

const returnsUnchanged = ([description, text]: readonly [string, string]): StoreCheck => ({
  name: `returns ${description} unchanged`,
  risk: "a login whose user or whose tokens have such characters or such a size cannot be read",
  async run(trial) {
    const key = trial.newKey();
    await trial.create(key, text);
    await trial.reads(key, { text }, " after create()");
    trial.equals("replace()", await trial.one.replace(key, 1, `${text}2`), true);
    await trial.reads(key, { text: `${text}2` }, " after replace()");
    trial.equals("replace()", await trial.one.replace(key, 2, text), true);
    trial.isRecord("remove()", await trial.one.remove(key), { text });
  },
});

const distinguishesKeys = ([difference, first, second]: readonly [string, string, string]): StoreCheck => ({
  name: `distinguishes two keys that differ by ${difference}`,
  risk: "one session can be taken for another one",
  async run(trial) {
    const prefix = trial.newKey();
    await trial.create(prefix + first, "first");
    await trial.readsNone(prefix + second, " of a similar key");
    await trial.create(prefix + second, "second");
    await trial.reads(prefix + first, { text: "first" }, " after create() under a similar key");
    trial.isRecord("remove()", await trial.one.remove(prefix + second), { text: "second" });
    await trial.reads(prefix + first, { text: "first" }, " after remove() under a similar key");
  },
});

const distinguishesNames = ([difference, first, second]: readonly [string, string, string]): StoreCheck => ({
  name: `distinguishes two names, and two lists, that differ by ${difference}`,
  risk: "a logout everywhere ends the sessions of another user, or misses one",
  async run(trial) {
    const prefix = trial.newKey();
    await trial.one.index.add(prefix + first, first, HOUR_MS);
    await trial.one.index.add(prefix + first, second, HOUR_MS);
    await trial.lists(prefix + first, [first, second], " after index.add() of similar names");
    await trial.lists(prefix + second, [], " of a similar list");
    await trial.one.index.remove(prefix + second, [first]);
    await trial.one.index.remove(prefix + first, [second]);
    await trial.lists(prefix + first, [first], " after index.remove() of a similar name");
  },
});

export const textChecks: readonly StoreCheck[] = [
  ...TEXTS.map(returnsUnchanged),
  ...PAIRS.map(distinguishesKeys),
  ...PAIRS.map(distinguishesNames),
];
