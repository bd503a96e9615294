import express from 'express';
import { portalAuth, requireAuth } from 'express-portal-auth';
import { createPool } from 'mysql2/promise';
import { MysqlStore } from './mysql-store.mjs';

const app = express();
const pool = createPool(process.env.DATABASE_URL);
const auth = portalAuth({ store: new MysqlStore(pool) });

app.use(auth);
app.get('/', (req, res) =>
  res.send(req.portal.isAuthenticated ? '<a href="/logout">Sign out</a>' : '<a href="/login">Sign in</a>'),
);
app.get('/account', requireAuth(), (req, res) => res.json({ process: process.pid, ...req.portal.claims }));

const server = app.listen(Number(process.env.PORT ?? 3000));

// First the server, then refreshes in progress, whose new tokens would be lost, then the pool.
process.once('SIGTERM', () => {
  server.close(async () => {
    await auth.close();
    await pool.end();
  });
  server.closeIdleConnections();
});
