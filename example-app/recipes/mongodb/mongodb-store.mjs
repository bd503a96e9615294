// An adapter for MongoDB. Call createIndexes() once before the first use.
import { randomUUID } from 'node:crypto';

const NOT_EXPIRED = { $gt: ['$endsAt', '$$NOW'] }; // $$NOW is the clock of the database
const expireIn = (ms) => ({ $add: ['$$NOW', ms] });
const RECORD = { text: 1, version: 1, lifeMs: { $subtract: ['$endsAt', '$$NOW'] } };
const LISTED = { projection: { _id: 1 }, batchSize: 100_000 }; // one batch, so that the list is a snapshot

const MAX_MS = 8000; // after 10 s the caller treats a call as failed
const DUPLICATE_KEY = 11000;
const MAX_ATTEMPTS = 10;

// Confirmed writes survive a failover.
// A read fails at a former primary that has not noticed the failover yet.
const CONCERNS = {
  readPreference: 'primary',
  readConcern: 'linearizable',
  writeConcern: { w: 'majority', wtimeoutMS: MAX_MS },
};

/** The option `store` of portalAuth(). It takes a database of the package mongodb. */
export class MongodbStore {
  #records;
  #names;

  constructor(db) {
    this.#records = db.collection('portal_record', CONCERNS);
    this.#names = db.collection('portal_record_index', CONCERNS);
  }

  /** Lets MongoDB delete expired documents. No method finds them, but they take space. */
  async createIndexes() {
    await this.#records.createIndex({ endsAt: 1 }, { expireAfterSeconds: 0 });
    await this.#names.createIndex({ endsAt: 1 }, { expireAfterSeconds: 0 });
    await this.#names.createIndex({ '_id.list': 1 });
  }

  async read(key) {
    const filter = { _id: key, $expr: NOT_EXPIRED };
    return toRecord(await this.#records.findOne(filter, { projection: RECORD, maxTimeMS: MAX_MS }));
  }

  // A record that has not expired is not changed. `createdBy` shows whether this call has created the record.
  async create(key, text, lifeMs) {
    const createdBy = randomUUID();
    const created = { text: { $literal: text }, version: 1, endsAt: expireIn(lifeMs), createdBy };
    const fields = Object.entries(created).map(([name, value]) => [
      name,
      { $cond: [NOT_EXPIRED, `$${name}`, value] },
    ]);
    const options = {
      upsert: true,
      returnDocument: 'after',
      projection: { createdBy: 1 },
      maxTimeMS: MAX_MS,
    };
    const update = [{ $set: Object.fromEntries(fields) }];
    const found = await upsert(() => this.#records.findOneAndUpdate({ _id: key }, update, options));
    return found.createdBy === createdBy;
  }

  async replace(key, version, text, lifeMs) {
    const endsAt = lifeMs === undefined ? '$endsAt' : expireIn(lifeMs);
    // Without $literal, MongoDB would interpret a text that starts with $.
    const fields = { text: { $literal: text }, version: { $add: ['$version', 1] }, endsAt };
    const { matchedCount } = await this.#records.updateOne({ _id: key, version, $expr: NOT_EXPIRED }, [
      { $set: fields },
    ]);
    return matchedCount === 1;
  }

  async touch(key, lifeMs) {
    const update = [{ $set: { endsAt: expireIn(lifeMs) } }];
    const { matchedCount } = await this.#records.updateOne({ _id: key, $expr: NOT_EXPIRED }, update);
    return matchedCount === 1;
  }

  async remove(key, version) {
    const filter = { _id: key, $expr: NOT_EXPIRED };
    if (version !== undefined) filter.version = version;
    return toRecord(await this.#records.findOneAndDelete(filter, { projection: RECORD, maxTimeMS: MAX_MS }));
  }

  index = {
    add: async (list, name, lifeMs) => {
      const update = [{ $set: { endsAt: { $max: ['$endsAt', expireIn(lifeMs)] } } }];
      await upsert(() => this.#names.updateOne({ _id: { list, name } }, update, { upsert: true }));
    },
    list: async (list) => {
      const filter = { '_id.list': list, $expr: NOT_EXPIRED };
      const found = await this.#names.find(filter, { ...LISTED, maxTimeMS: MAX_MS }).toArray();
      return found.map(({ _id }) => _id.name);
    },
    remove: async (list, names) => {
      await this.#names.deleteMany({ _id: { $in: names.map((name) => ({ list, name })) } });
    },
  };
}

const toRecord = (found) =>
  found ? { text: found.text, version: Number(found.version), lifeMs: Number(found.lifeMs) } : undefined;

/** Repeats an upsert that failed because of a simultaneous upsert of the same document. */
async function upsert(write) {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await write();
    } catch (error) {
      if (error.code !== DUPLICATE_KEY || attempt === MAX_ATTEMPTS) throw error;
    }
  }
}
