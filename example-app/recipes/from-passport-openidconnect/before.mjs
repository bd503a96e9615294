import express from 'express';
import session from 'express-session';
import passport from 'passport';
import { Strategy } from 'passport-openidconnect';

const issuer = process.env.PORTAL_ISSUER;
passport.use(
  new Strategy(
    {
      issuer,
      authorizationURL: `${issuer}/oauth2/authorize`,
      tokenURL: `${issuer}/oauth2/token`,
      userInfoURL: `${issuer}/userinfo`,
      clientID: process.env.PORTAL_CLIENT_ID,
      clientSecret: process.env.PORTAL_CLIENT_SECRET,
      callbackURL: process.env.PORTAL_REDIRECT_URI,
    },
    (_issuer, profile, done) => done(null, { id: profile.id }),
  ),
);
passport.serializeUser((user, done) => done(null, user));
passport.deserializeUser((user, done) => done(null, user));

const app = express();
app.use(session({ secret: process.env.SESSION_SECRET, resave: false, saveUninitialized: false }));
app.use(passport.session());
app.get('/login', passport.authenticate('openidconnect'));
app.get(
  '/callback',
  passport.authenticate('openidconnect', {
    failureRedirect: '/login',
    keepSessionInfo: true,
    successReturnToOrRedirect: '/',
  }),
);
app.get('/logout', (req, res, next) => req.logout((error) => (error ? next(error) : res.redirect('/'))));

function requireUser(req, res, next) {
  if (req.isAuthenticated()) return next();
  req.session.returnTo = req.originalUrl;
  res.redirect('/login');
}
app.get('/', (req, res) => res.json({ isAuthenticated: req.isAuthenticated() }));
app.get('/account', requireUser, (req, res) => res.json({ sub: req.user.id }));
app.listen(Number(process.env.PORT ?? 3000));
