import { setImmediate } from "node:timers/promises";
import type { RecordIndex, RecordStore } from "../../lib/store/record-store.js";
import type { OpenRecords, Row } from "./open-records.js";

/** The methods that are broken. The others stay correct. */
export type Broken = Partial<Omit<RecordStore, "index">> & { index?: Partial<RecordIndex> };

/** Breaks an adapter. `created` is 0 for the first of the two adapters that a check uses. */
export type Break = (records: OpenRecords, created: number) => Broken;

const HOUR_MS = 3_600_000;

/** Changes that a database may make to special texts. */
const TEXT_CHANGES: Record<string, (text: string) => string> = {
  "an empty text": (text) => text || (null as unknown as string),
  "a JSON text with its spaces and its order": (text) =>
    text.endsWith("}") ? JSON.stringify(JSON.parse(text)) : text,
  "a JSON text with escaped NUL, lone surrogate and line ends": (text) => text.replaceAll("\\u0000", ""),
  "Chinese and combining characters": (text) => Buffer.from(text, "latin1").toString("latin1"),
  emoji: (text) => text.replace(/[\ud800-\udbff][\udc00-\udfff]/g, "?"),
  "quotes and backslashes": (text) => text.replaceAll("''", "'"),
  placeholders: (text) => text.replaceAll("??", "?"),
  "an operator of MongoDB": (text) => text.replace("$$NOW", new Date().toISOString()),
  "spaces and line ends at both ends": (text) => text.trim(),
  "a number": (text) => (text !== "" && !Number.isNaN(Number(text)) ? String(Number(text)) : text),
  "two million characters": (text) => text.slice(0, 2 ** 16 - 1),
};

/** Changes that make a database confuse similar keys and names. */
const NAME_CHANGES: Record<string, (name: string) => string> = {
  case: (name) => name.toLowerCase(),
  "a space at the end": (name) => name.trimEnd(),
  "an accent": (name) => name.normalize("NFD").replace(/[\u0300-\u036f]/g, ""),
  "Unicode normalization": (name) => name.normalize("NFC"),
  "glob patterns": (name) => name.replace(/[*?]/g, "?"),
  "LIKE patterns": (name) => name.replace(/[%_]/g, "_"),
  braces: (name) => name.replace(/[{}]/g, ""),
  colons: (name) => name.replace(/:+/g, ":"),
  "dots and dollar signs": (name) => name.replace(/\$(\w+)\.\w+/, "$1"),
  slashes: (name) => name.replaceAll("../", ""),
  "quotes and backslashes": (name) => name.replaceAll("\\", ""),
  "line ends": (name) => name.replaceAll("\r", ""),
  "an emoji": (name) => name.replace(/[\ud800-\udbff][\udc00-\udfff]/g, "?"),
  "the last of 500 characters": (name) => name.slice(0, name.startsWith("check-") ? 541 : 499),
};

/** For each check: a part of its error message, and an adapter that fails it. */
export const BROKEN: Record<string, [expectedText: string, Break]> = {
  "has every method of RecordStore": [
    "The adapter has no method touch",
    () => ({ touch: undefined as unknown as RecordStore["touch"] }),
  ],
  "reads what it created, with version 1 and its life": [
    "It must resolve to a record whose version is the number 1.",
    (records) => ({
      read: async (key) => {
        const found = await records.read(key);
        return found && { ...found, version: String(found.version) as unknown as number };
      },
    }),
  ],
  "finds nothing under an unknown key": [
    "read() of an unknown key resolved to {",
    (records) => ({ read: async (key) => (await records.read(key)) ?? { text: "", version: 0, lifeMs: 0 } }),
  ],
  "creates a record once, and changes nothing the second time": [
    "read() after a second create() resolved to { text: 'second'",
    (records) => ({
      create: async (key, text, lifeMs) => {
        const isNew = !records.find(key);
        records.put(key, text, 1, lifeMs);
        return isNew;
      },
    }),
  ],
  "removes a record, and resolves to what it removed": [
    "remove() resolved to undefined",
    (records) => ({
      remove: async (key, version) => {
        await records.remove(key, version);
        return undefined;
      },
    }),
  ],
  "does not bring back a removed record": [
    "replace() of a removed record resolved to true",
    (records) => ({
      replace: async (key, version, text, lifeMs = HOUR_MS) =>
        records.find(key)
          ? records.replace(key, version, text, lifeMs)
          : records.put(key, text, version + 1, lifeMs),
    }),
  ],
  "creates a record again after its removal, with version 1": [
    "resolved to { text: 'second', version: 3",
    (records) => {
      const versions = new Map<string, number>();
      return {
        create: async (key, text, lifeMs) =>
          !records.find(key) && records.put(key, text, (versions.get(key) ?? 0) + 1, lifeMs),
        remove: async (key, version) => {
          const removed = await records.remove(key, version);
          if (removed) versions.set(key, removed.version);
          return removed;
        },
      };
    },
  ],
  "replaces a record of this version, and adds 1 to the version": [
    "read() after replace() resolved to { text: 'second', version: 1",
    (records) => ({
      replace: async (key, version, text, lifeMs) => {
        const isReplaced = await records.replace(key, version, text, lifeMs);
        const row = records.find(key);
        if (row) row.version = version;
        return isReplaced;
      },
    }),
  ],
  "does not replace a record of another version": [
    "replace() of version 0, while the record has version 2, resolved to true",
    (records) => ({
      replace: async (key, _version, text, lifeMs) => {
        const row = records.find(key);
        return row !== undefined && records.replace(key, row.version, text, lifeMs);
      },
    }),
  ],
  "counts versions beyond one digit": [
    "replace() resolved to false",
    (records) => ({
      replace: async (key, version, text, lifeMs) =>
        records.replace(key, Number(String(version).charAt(0)), text, lifeMs),
    }),
  ],
  "removes a record only of the version that is given": [
    "remove() of another version resolved to { text: 'second'",
    (records) => ({ remove: (key) => records.remove(key) }),
  ],
  "keeps the end of a record when replace() gets no life": [
    "It must resolve to a record whose lifeMs is a number of about 3600000 milliseconds.",
    (records) => ({
      replace: (key, version, text, lifeMs = 3 * HOUR_MS) => records.replace(key, version, text, lifeMs),
    }),
  ],
  "gives a replaced record the life that replace() gets": [
    "It must resolve to a record whose lifeMs is a number of about 7200000 milliseconds.",
    (records) => ({ replace: (key, version, text) => records.replace(key, version, text) }),
  ],
  "touches a record: its life becomes longer or shorter, and nothing else changes": [
    "with a life of 3600000 ms resolved to { text: 'text', version: 1, lifeMs: 10800000 }",
    (records) => ({
      touch: async (key, lifeMs) =>
        records.touch(key, Math.max(lifeMs, (await records.read(key))?.lifeMs ?? 0)),
    }),
  ],
  "finds the record also when touch() does not change its end": [
    "touch() by four callers at the same moment resolved to [ false",
    (records) => ({
      touch: async (key, lifeMs) => {
        const before = records.find(key)?.endsAt;
        await records.touch(key, lifeMs);
        return before !== records.find(key)?.endsAt;
      },
    }),
  ],
  "accepts lives that are not whole milliseconds": [
    "The adapter rejected, or threw: RangeError: not a whole number",
    (records) => ({
      create: async (key, text, lifeMs) => {
        if (!Number.isInteger(lifeMs)) throw new RangeError("not a whole number");
        return records.create(key, text, lifeMs);
      },
    }),
  ],
  "does not round a life down to whole seconds": [
    "It must resolve to a record whose lifeMs is 36",
    (records) => ({
      create: (key, text, lifeMs) => records.create(key, text, Math.floor(lifeMs / 1000) * 1000),
    }),
  ],
  "accepts lives of over a year": [
    "lifeMs: 2147483647 }",
    (records) => ({
      create: (key, text, lifeMs) => records.create(key, text, Math.min(lifeMs, 2 ** 31 - 1)),
    }),
  ],
  "does not read a record that has expired": [
    "read() still found a record 3000 ms after its life of 40 ms had ended",
    (records) => ({ read: async (key) => records.toRecord(records.rows.get(key)) }),
  ],
  "creates a record in place of one that has expired, with version 1": [
    "create() of a new record resolved to false",
    (records) => ({
      create: async (key, text, lifeMs) => !records.rows.has(key) && records.put(key, text, 1, lifeMs),
    }),
  ],
  "does not replace a record that has expired": [
    "replace() of an expired record resolved to true",
    (records) => ({
      replace: async (key, version, text, lifeMs) => {
        const row = records.rows.get(key);
        if (row?.version !== version) return false;
        return records.put(key, text, version + 1, lifeMs ?? row.endsAt - records.now);
      },
    }),
  ],
  "does not touch a record that has expired": [
    "touch() of an expired record resolved to true",
    (records) => ({
      touch: async (key, lifeMs) => {
        const row = records.rows.get(key);
        return row !== undefined && records.put(key, row.text, row.version, lifeMs);
      },
    }),
  ],
  "does not resolve to an expired record when it removes one": [
    "remove() of an expired record resolved to {",
    (records) => ({ remove: async (key) => records.toRecord(records.rows.get(key)) }),
  ],
  "ends a record after the shorter life that touch() gave it": [
    "read() still found a record",
    (records) => ({ touch: async (key, lifeMs) => lifeMs < HOUR_MS || records.touch(key, lifeMs) }),
  ],
  "ends a record after the shorter life that replace() gave it": [
    "read() still found a record",
    (records) => ({
      replace: (key, version, text, lifeMs) =>
        records.replace(key, version, text, lifeMs && Math.max(lifeMs, HOUR_MS)),
    }),
  ],
  ...breakTexts(TEXT_CHANGES),
  ...breakKeysAndNames(NAME_CHANGES),
  "shows every other connection what a write has confirmed": [
    "read() on another connection after create() resolved to undefined",
    (_records, created) => (created === 0 ? {} : { read: async () => undefined }),
  ],
  "lets one of many callers create a record": [
    "create() under one key at the same moment succeeded for 40 of 40 callers",
    (records) => ({
      create: async (key, text, lifeMs) => {
        const isNew = !records.find(key);
        await setImmediate();
        return isNew && records.put(key, text, 1, lifeMs);
      },
    }),
  ],
  "lets one of many callers create a record in place of an expired one": [
    "create() under one key at the same moment succeeded for 40 of 40 callers",
    (records) => ({
      create: async (key, text, lifeMs) => {
        const old = records.rows.get(key);
        if (old && old.endsAt <= records.now) await setImmediate();
        else if (old) return false;
        return records.put(key, text, 1, lifeMs);
      },
    }),
  ],
  "lets one of many callers replace a version": [
    "replace() of one version at the same moment succeeded for 40 of 40 callers",
    (records) => ({
      replace: async (key, version, text, lifeMs = HOUR_MS) => {
        const isThis = records.find(key)?.version === version;
        await setImmediate();
        return isThis && records.put(key, text, version + 1, lifeMs);
      },
    }),
  ],
  "lets one of many callers have the record that it removes": [
    "remove() of one record at the same moment succeeded for 40 of 40 callers",
    (records) => ({
      remove: async (key, version) => {
        const found = await records.read(key);
        await setImmediate();
        await records.remove(key, version);
        return found;
      },
    }),
  ],
  "replaces or removes a version, but not both": [
    "read() after replace() resolved to undefined",
    (records) => ({
      remove: async (key, version) => {
        const found = await records.read(key);
        await setImmediate();
        records.rows.delete(key);
        return found?.version === (version ?? found?.version) ? found : undefined;
      },
    }),
  ],
  "reads a text and a version that belong together": [
    "read() during replacements resolved to { text: ",
    (records) => ({
      read: async (key) => {
        const text = records.find(key)?.text;
        await setImmediate();
        const found = records.toRecord(records.find(key));
        return found && { ...found, text: text ?? found.text };
      },
      replace: async (...call) => {
        await setImmediate();
        return records.replace(...call);
      },
    }),
  ],
  "keeps the text of a replacement when touch() runs at the same moment": [
    "read() after replace() and touch() resolved to { text: 'first', version: 1",
    (records) => ({ touch: touchInTwoSteps(records) }),
  ],
  "does not bring a record back when touch() runs at the moment of its removal": [
    "read() after remove() and touch() resolved to { text: 'first', version: 1",
    (records) => ({ touch: touchInTwoSteps(records) }),
  ],
  "lists the names that were added, each once": [
    "index.list() resolved to [ 'a', 'b', 'b' ]",
    (records) => {
      const added: [list: string, name: string][] = [];
      return {
        index: {
          add: async (list, name) => void added.push([list, name]),
          list: async (list) => added.filter(([of]) => of === list && records).map(([, name]) => name),
        },
      };
    },
  ],
  "removes names, and ignores unknown ones": [
    "The adapter rejected, or threw: Error: no such name",
    (records) => ({
      index: {
        remove: async (list, names) => {
          if (names.some((name) => !records.lists.get(list)?.has(name))) throw new Error("no such name");
          await records.index.remove(list, names);
        },
      },
    }),
  ],
  "adds a name again after its removal": [
    "index.list() after index.add(), index.remove() and index.add() resolved to []",
    (records) => {
      const removed = new Set<string>();
      return {
        index: {
          add: async (list, name, lifeMs) => {
            if (!removed.has(list + name)) await records.index.add(list, name, lifeMs);
          },
          remove: async (list, names) => {
            for (const name of names) removed.add(list + name);
            await records.index.remove(list, names);
          },
        },
      };
    },
  ],
  "does not confuse a list with a record under the same key": [
    "index.list() after remove() of a record of the same key resolved to []",
    (records) => ({
      remove: (key, version) => {
        records.lists.delete(key);
        return records.remove(key, version);
      },
    }),
  ],
  "lists a thousand names, and removes them in one call": [
    "index.list() after index.remove() of 1000 names resolved to [ 'name 500 ",
    (records) => ({ index: { remove: (list, names) => records.index.remove(list, names.slice(0, 500)) } }),
  ],
  "keeps every name that many callers add and remove at the same moment": [
    "index.list() after index.add() by many callers resolved to [ 'old 39' ]",
    (records) => ({
      index: {
        add: async (list, name, lifeMs) => {
          const names = new Map(records.lists.get(list));
          await setImmediate();
          records.lists.set(list, names.set(name, records.now + lifeMs));
        },
      },
    }),
  ],
  "omits names that have expired, and keeps a list as long as its last name": [
    "index.list() after the other names have expired resolved to []",
    (records) => ({
      index: {
        add: async (list, name, lifeMs) => {
          const names = [...(records.lists.get(list)?.keys() ?? []), name];
          records.lists.set(list, new Map(names.map((one) => [one, records.now + lifeMs])));
        },
      },
    }),
  ],
  "extends the life of a name": [
    "index.list() after index.add() with a longer life resolved to []",
    (records) => ({
      index: {
        add: async (list, name, lifeMs) => {
          if (!records.lists.get(list)?.has(name)) await records.index.add(list, name, lifeMs);
        },
      },
    }),
  ],
  "never shortens the life of a name": [
    "index.list() after index.add() with a shorter life resolved to []",
    (records) => ({
      index: {
        add: async (list, name, lifeMs) => {
          records.lists.get(list)?.delete(name);
          await records.index.add(list, name, lifeMs);
        },
      },
    }),
  ],
  "adds a name again after it has expired": [
    "index.list() after index.add() of an expired name resolved to []",
    (records) => ({
      index: {
        add: async (list, name, lifeMs) => {
          const endsAt = records.lists.get(list)?.get(name);
          if (endsAt === undefined || endsAt > records.now) await records.index.add(list, name, lifeMs);
        },
      },
    }),
  ],
};

const touchInTwoSteps =
  (records: OpenRecords): RecordStore["touch"] =>
  async (key, lifeMs) => {
    const row: Row | undefined = records.find(key);
    await setImmediate();
    return row !== undefined && records.put(key, row.text, row.version, lifeMs);
  };

/** Breaks an adapter for each special text, so that it changes this text. */
function breakTexts(changes: Record<string, (text: string) => string>): Record<string, [string, Break]> {
  const broken = Object.entries(changes).map(([description, change]): [string, [string, Break]] => [
    `returns ${description} unchanged`,
    [
      "resolved to",
      (records) => ({ create: (key, text, lifeMs) => records.create(key, change(text), lifeMs) }),
    ],
  ]);
  return Object.fromEntries(broken);
}

/**
 * Breaks two adapters for each pair of similar names, so that they confuse the names: as keys, and in lists.
 */
function breakKeysAndNames(
  changes: Record<string, (name: string) => string>,
): Record<string, [string, Break]> {
  const broken = Object.entries(changes).flatMap(([difference, change]): [string, [string, Break]][] => [
    [
      `distinguishes two keys that differ by ${difference}`,
      [
        "read() of a similar key resolved to { text: 'first'",
        (records) => ({
          read: (key) => records.read(change(key)),
          create: (key, text, lifeMs) => records.create(change(key), text, lifeMs),
        }),
      ],
    ],
    [
      `distinguishes two names, and two lists, that differ by ${difference}`,
      [
        "index.list() after index.add() of similar names resolved to [ ",
        (records) => ({
          index: { add: (list, name, lifeMs) => records.index.add(list, change(name), lifeMs) },
        }),
      ],
    ],
  ]);
  return Object.fromEntries(broken);
}
