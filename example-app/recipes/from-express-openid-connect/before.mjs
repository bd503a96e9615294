import express from 'express';
import openid from 'express-openid-connect';

const { auth, requiresAuth } = openid;

const app = express();
app.use(
  auth({
    issuerBaseURL: process.env.PORTAL_ISSUER,
    baseURL: new URL(process.env.PORTAL_REDIRECT_URI).origin,
    clientID: process.env.PORTAL_CLIENT_ID,
    clientSecret: process.env.PORTAL_CLIENT_SECRET,
    secret: process.env.SESSION_SECRET,
    authRequired: false,
    idpLogout: true,
    clientAuthMethod: 'client_secret_post',
    authorizationParams: { response_type: 'code', scope: 'openid' },
  }),
);
app.get('/', (req, res) => res.json({ isAuthenticated: req.oidc.isAuthenticated() }));
app.get('/account', requiresAuth(), (req, res) => res.json(req.oidc.user));
app.get('/token', requiresAuth(), async (req, res) => {
  let { accessToken } = req.oidc;
  if (accessToken.isExpired()) accessToken = await accessToken.refresh();
  res.json({ length: accessToken.access_token.length });
});
app.listen(Number(process.env.PORT ?? 3000));
