import express from 'express';
import { portalAuth, requireAuth } from 'express-portal-auth';

const app = express();
app.set('trust proxy', 'loopback'); // trusts X-Forwarded-Proto of nginx on this machine
const base = process.env.BASE_PATH ?? ''; // "/shop" if nginx forwards the path, '' if it removes the path

app.use(base || '/', portalAuth());
app.get(`${base}/`, (req, res) => {
  res.send(req.portal.isAuthenticated ? '<a href="logout">Sign out</a>' : '<a href="login">Sign in</a>');
});
app.get(`${base}/account`, requireAuth(), (req, res) => res.json(req.portal.claims));
app.listen(Number(process.env.PORT ?? 3000), '127.0.0.1'); // only nginx can reach the app
