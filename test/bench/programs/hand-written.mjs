import express from "express";
import expressSession from "express-session";
import * as client from "openid-client";
import { redisStore } from "./redis-store.mjs";
import { serve } from "./serve.mjs";
import { SESSIONS } from "./sessions.mjs";

/** What a careful developer writes by the README of openid-client. */
await serve(async ({ session, store, issuer, clientId, clientSecret, redirectUri }) => {
  const portal = await client.discovery(
    new URL(issuer),
    clientId,
    undefined,
    client.ClientSecretPost(clientSecret),
    { execute: [client.allowInsecureRequests] }, // http, as the portal is on loopback here
  );

  const app = express();
  app.use(expressSession({ ...SESSIONS[session], ...(store && { store: await redisStore(store) }) }));

  // before the two routes of the login, which it would have to pass otherwise
  app.get("/account", requireUser, (req, res) => {
    res.json({ sub: req.session.user.claims.sub });
  });

  app.get("/login", async (req, res) => {
    const code_verifier = client.randomPKCECodeVerifier();
    const state = client.randomState();
    const nonce = client.randomNonce();
    req.session.login = { code_verifier, state, nonce };
    const url = client.buildAuthorizationUrl(portal, {
      redirect_uri: redirectUri,
      scope: "openid",
      code_challenge: await client.calculatePKCECodeChallenge(code_verifier),
      code_challenge_method: "S256",
      state,
      nonce,
    });
    res.redirect(url.href);
  });

  app.get("/callback", async (req, res) => {
    const { code_verifier, state, nonce } = req.session.login;
    const tokens = await client.authorizationCodeGrant(portal, new URL(req.originalUrl, redirectUri), {
      pkceCodeVerifier: code_verifier,
      expectedState: state,
      expectedNonce: nonce,
      idTokenExpected: true,
    });
    await new Promise((resolve, reject) => {
      req.session.regenerate((error) => (error ? reject(error) : resolve()));
    });
    req.session.user = { tokens: kept(tokens), claims: tokens.claims() };
    await new Promise((resolve, reject) => {
      req.session.save((error) => (error ? reject(error) : resolve()));
    });
    res.redirect(303, "/");
  });

  return app;
});

function requireUser(req, res, next) {
  if (req.session.user) return next();
  res.status(401).end();
}

/** The same members that express-portal-auth keeps, so that a session of both is as long to parse and to hash. */
function kept({ access_token, token_type, refresh_token, id_token, scope, expires_in }) {
  const expires_at = Math.floor(Date.now() / 1000) + expires_in;
  return { access_token, token_type, refresh_token, id_token, scope, expires_at };
}
