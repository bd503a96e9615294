import express from 'express';
import { diagnose, portalAuth, requireAuth } from 'express-portal-auth';

const app = express();
const auth = portalAuth(); // sessions are in SESSION_STORE_URL

app.get('/live', (req, res) => res.send('alive')); // before portalAuth(), so it needs no Redis
app.get('/ready', async (req, res) => {
  const { ok, checks } = await diagnose({}, { skip: ['portal', 'credentials', 'redirect'] });
  res.status(ok ? 200 : 503).json(checks.filter(({ verdict }) => verdict === 'failed').map(({ id }) => id));
});

app.use(auth);
app.get('/', (req, res) =>
  res.send(req.portal.isAuthenticated ? '<a href="/logout">Sign out</a>' : '<a href="/login">Sign in</a>'),
);
app.get('/account', requireAuth(), (req, res) => res.json({ process: process.pid, ...req.portal.claims }));

const server = app.listen(Number(process.env.PORT ?? 3000));

// Closes the server first, then waits for refreshes in progress, then closes Redis.
process.once('SIGTERM', () => {
  server.close(async () => {
    await auth.close();
    process.exit(0);
  });
  server.closeIdleConnections();
});
