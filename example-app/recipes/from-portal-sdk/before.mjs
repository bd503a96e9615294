// A reconstruction, to be read and not to be run: the portal's own Node SDK is no longer on the npm registry. What is
// told here is what the samples that used it did.

import { AuthClient } from 'ciam-node-sdk'; // stands for the package that is gone
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

app.get('/login', async (req, res) => res.redirect(await client.generateAuthUrl())); // state: the same for everybody, or none

app.get('/callback', async (req, res) => {
  const tokens = await client.fetchToken(req.url); // state is not compared with anything
  res.cookie('access_token', tokens.access_token); // scripts can read it
  const claims = JSON.parse(Buffer.from(tokens.id_token.split('.')[1], 'base64').toString()); // no signature is checked
  res.cookie('user', JSON.stringify(claims)); // and whoever edits this cookie is somebody else
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
