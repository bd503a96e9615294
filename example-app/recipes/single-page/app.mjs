import express from 'express';
import { portalAuth, portalErrors, requireAuth } from 'express-portal-auth';

const app = express();
app.use(portalAuth());
app.use(express.static('public')); // the front end is public; what it calls is guarded

const api = express.Router();
api.use(requireAuth()); // a script gets 401 as problem+json, and no redirect

// What changes something must come from our own page. The session's cookie is SameSite=Lax, which other sites' forms
// do not bring along; this says it once more, for siblings below the same domain and for browsers of old.
api.use((req, res, next) => {
  const isSafe = ['GET', 'HEAD'].includes(req.method);
  if (isSafe || req.get('sec-fetch-site') === 'same-origin') next();
  else res.status(403).json({ title: 'This must come from our own page.', status: 403 });
});

const notes = new Map(); // stands in for your database
api.get('/me', (req, res) => res.json({ sub: req.portal.claims.sub, notes: notes.get(req.portal.claims.sub) ?? [] }));
api.post('/notes', express.json(), (req, res) => {
  const { sub } = req.portal.claims;
  notes.set(sub, [...(notes.get(sub) ?? []), String(req.body.text)]);
  res.status(201).json(notes.get(sub));
});
app.use('/api', api);
app.use(portalErrors());
app.listen(Number(process.env.PORT ?? 3000));
