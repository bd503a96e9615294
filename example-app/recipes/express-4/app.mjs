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
app.use(portalAuth({ keepSessionKeys: ['cart'] })); // new: after the session, which it uses

app.get('/', (req, res) => {
  const who = req.portal.isAuthenticated ? req.portal.claims.sub : 'visitor';
  res.json({ who, cart: req.session.cart ?? [] });
});

// As before: visitors fill a cart, which survives the login.
app.post('/cart', (req, res) => {
  req.session.cart = [...(req.session.cart ?? []), req.body.item];
  res.redirect(303, '/');
});

app.get('/checkout', requireAuth(), (req, res) => {
  // new: the guard
  res.json({ buyer: req.portal.claims.sub, cart: req.session.cart ?? [] });
});

// Express 4 does not handle rejected promises: pass the error to next().
app.get('/profile', requireAuth(), async (req, res, next) => {
  try {
    res.json(await req.portal.userinfo());
  } catch (error) {
    next(error);
  }
});

app.use(portalErrors()); // new: redirects users who must sign in again
app.listen(Number(process.env.PORT ?? 3000));
