import express from 'express';
import { portalAuth, portalErrors, requireAuth } from 'express-portal-auth';

const app = express();
app.use(portalAuth());                                  // adds req.portal, /login, /callback and /logout

app.get('/', (req, res) => {
  const links = '<a href="/account">Account</a> <a href="/logout">Sign out</a>';
  res.send(req.portal.isAuthenticated ? links : '<a href="/login">Sign in</a>');
});

app.get('/account', requireAuth(), async (req, res) => {
  const { sub, name, email } = await req.portal.userinfo();   // the ID token often has only `sub`
  res.json({ sub, name, email });
});

app.use(portalErrors());                                // after your routes
app.listen(3000, (error) => {
  if (error) throw error;
  console.log('Open http://127.0.0.1:3000/account');
});
