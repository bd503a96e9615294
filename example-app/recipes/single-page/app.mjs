import express from 'express';
import { portalAuth, portalErrors, requireAuth } from 'express-portal-auth';

const app = express();
app.use(portalAuth());
app.use(express.static('public')); // the front end is public, the API is guarded

const api = express.Router();
// A script gets 401 as problem+json, and no redirect. Changes must come from our own page.
api.use(requireAuth({ csrf: true }));

const notes = new Map(); // replace it with your database
api.get('/me', (req, res) =>
  res.json({ sub: req.portal.claims.sub, notes: notes.get(req.portal.claims.sub) ?? [] }),
);
api.post('/notes', express.json(), (req, res) => {
  const { sub } = req.portal.claims;
  notes.set(sub, [...(notes.get(sub) ?? []), String(req.body.text)]);
  res.status(201).json(notes.get(sub));
});
app.use('/api', api);
app.use(portalErrors());
app.listen(Number(process.env.PORT ?? 3000));
