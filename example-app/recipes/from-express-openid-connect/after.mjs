import express from 'express';
import { portalAuth, portalErrors, requireAuth } from 'express-portal-auth';

const app = express();
app.use(portalAuth()); // the same variables: PORTAL_ISSUER, PORTAL_CLIENT_ID, PORTAL_CLIENT_SECRET, PORTAL_REDIRECT_URI, SESSION_SECRET
app.get('/', (req, res) => res.json({ isAuthenticated: req.portal.isAuthenticated }));
app.get('/account', requireAuth(), (req, res) => res.json(req.portal.claims));
app.get('/token', requireAuth(), async (req, res) => {
  const accessToken = await req.portal.accessToken(); // refreshed when it had to be, once for all who ask
  res.json({ length: accessToken.length });
});
app.use(portalErrors());
app.listen(Number(process.env.PORT ?? 3000));
