import express from 'express';
import { portalAuth, requireAuth } from 'express-portal-auth';
import session from 'express-session';

const app = express();
app.use(session({ secret: process.env.SESSION_SECRET, resave: false, saveUninitialized: false }));
app.use(
  portalAuth({
    hooks: {
      onLogin(context) {
        context.session.user = { id: context.claims.sub }; // the data of serializeUser
      },
    },
  }),
);
app.get('/', (req, res) => res.json({ isAuthenticated: req.portal.isAuthenticated }));
app.get('/account', requireAuth(), (req, res) => res.json({ sub: req.session.user.id }));
app.listen(Number(process.env.PORT ?? 3000));
