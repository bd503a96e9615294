// node --env-file=.env --test
import { after, test } from 'node:test';
import { recordStoreChecks } from 'express-portal-auth/testing';
import { createPool } from 'mysql2/promise';
import { MysqlStore } from './mysql-store.mjs';

const pool = createPool(process.env.DATABASE_URL);
after(() => pool.end());

for (const { name, run } of recordStoreChecks(() => new MysqlStore(pool))) test(name, run);
