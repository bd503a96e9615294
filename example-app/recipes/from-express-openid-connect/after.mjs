import express from 'express';
import { portalAuth, portalErrors, requireAuth } from 'express-portal-auth';

const app = express();
app.use(portalAuth()); // reads the same variables from the environment
app.get('/', (req, res) => res.json({ isAuthenticated: req.portal.isAuthenticated }));
app.get('/account', requireAuth(), (req, res) => res.json(req.portal.claims));
app.get('/token', requireAuth(), async (req, res) => {
  const accessToken = await req.portal.accessToken(); // refreshed if necessary, once for all requests
  res.json({ length: accessToken.length });
});
app.use(portalErrors());
app.listen(Number(process.env.PORT ?? 3000));
