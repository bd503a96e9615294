// node --env-file=.env --test
import { after, before, test } from 'node:test';
import { recordStoreChecks } from 'express-portal-auth/testing';
import { MongoClient } from 'mongodb';
import { MongodbStore } from './mongodb-store.mjs';

const client = new MongoClient(process.env.MONGODB_URL);
before(() => new MongodbStore(client.db()).createIndexes());
after(() => client.close());

for (const { name, run } of recordStoreChecks(() => new MongodbStore(client.db()))) test(name, run);
