// A reconstruction of the samples that used Tencent CIAM's Node SDK, which is no longer on the npm registry.
// Read it, do not run it.

import { AuthClient } from 'ciam-node-sdk'; // a placeholder for the package that no longer exists
import cookieParser from 'cookie-parser';
import express from 'express';

const client = new AuthClient({
  userDomain: process.env.PORTAL_ISSUER,
  clientId: process.env.PORTAL_CLIENT_ID,
  clientSecret: process.env.PORTAL_CLIENT_SECRET,
  redirectUri: process.env.PORTAL_REDIRECT_URI,
  logoutRedirectUrl: 'http://127.0.0.1:3000/',
  scopes: ['openid'],
});

const app = express();
app.use(cookieParser());

// state: the same for all users, or missing
app.get('/login', async (req, res) => res.redirect(await client.generateAuthUrl()));

app.get('/callback', async (req, res) => {
  const tokens = await client.fetchToken(req.url); // state is not compared with anything
  res.cookie('access_token', tokens.access_token); // scripts can read it
  // no signature is checked
  const claims = JSON.parse(Buffer.from(tokens.id_token.split('.')[1], 'base64').toString());
  res.cookie('user', JSON.stringify(claims)); // a user who edits this cookie becomes another user
  res.redirect('/account');
});

app.get('/account', (req, res) => {
  if (!req.cookies.access_token) return res.redirect('/login');
  res.json(JSON.parse(req.cookies.user));
});

app.get('/logout', (req, res) => {
  res.clearCookie('access_token');
  res.redirect(client.logoutUrl);
});

app.listen(3000);
