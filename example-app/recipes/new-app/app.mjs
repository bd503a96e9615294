import express from 'express';
import { portalAuth, requireAuth } from 'express-portal-auth';

const app = express();
app.use(portalAuth());                                  // everything from the environment
app.get('/', (req, res) => res.send(req.portal.isAuthenticated ? '<a href="/logout">Sign out</a>' : '<a href="/login">Sign in</a>'));
app.get('/account', requireAuth(), (req, res) => res.json(req.portal.claims));
app.listen(3000, () => console.log('Open http://127.0.0.1:3000/account'));
