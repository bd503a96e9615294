import express from 'express';
import { portalAuth, requireAuth } from 'express-portal-auth';
import { MongoClient } from 'mongodb';
import { MongodbStore } from './mongodb-store.mjs';

const app = express();
const client = new MongoClient(process.env.MONGODB_URL);
const store = new MongodbStore(client.db());
await store.createIndexes(); // changes nothing if they exist
const auth = portalAuth({ store });

app.use(auth);
app.get('/', (req, res) =>
  res.send(req.portal.isAuthenticated ? '<a href="/logout">Sign out</a>' : '<a href="/login">Sign in</a>'),
);
app.get('/account', requireAuth(), (req, res) => res.json({ process: process.pid, ...req.portal.claims }));

const server = app.listen(Number(process.env.PORT ?? 3000));

// First the server, then refreshes in progress, whose new tokens would be lost, then the client.
process.once('SIGTERM', () => {
  server.close(async () => {
    await auth.close();
    await client.close();
  });
  server.closeIdleConnections();
});
