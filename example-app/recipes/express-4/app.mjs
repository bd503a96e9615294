import express from 'express';
import { portalAuth, portalErrors, requireAuth } from 'express-portal-auth';
import session from 'express-session';

const app = express();
app.use(express.urlencoded({ extended: false }));
app.use(
  session({
    secret: process.env.SESSION_SECRET,
    resave: false,
    saveUninitialized: false,
    cookie: { httpOnly: true, sameSite: 'lax', secure: process.env.PORTAL_REDIRECT_URI.startsWith('https:') },
  }),
);
app.use(portalAuth({ keepSessionKeys: ['cart'] })); // new: behind the session, which it uses

app.get('/', (req, res) => {
  const who = req.portal.isAuthenticated ? req.portal.claims.sub : 'visitor';
  res.json({ who, cart: req.session.cart ?? [] });
});

// as before: visitors fill a cart, and it survives the login
app.post('/cart', (req, res) => {
  req.session.cart = [...(req.session.cart ?? []), req.body.item];
  res.redirect(303, '/');
});

app.get('/checkout', requireAuth(), (req, res) => {
  // new: the guard
  res.json({ buyer: req.portal.claims.sub, cart: req.session.cart ?? [] });
});

// Express 4 does not notice that a handler rejects: hand the failure on yourself
app.get('/profile', requireAuth(), async (req, res, next) => {
  try {
    res.json(await req.portal.userinfo());
  } catch (error) {
    next(error);
  }
});

app.use(portalErrors()); // new: who must sign in again is sent to the portal
app.listen(Number(process.env.PORT ?? 3000));
