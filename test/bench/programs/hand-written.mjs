import express from "express";
import expressSession from "express-session";
import * as client from "openid-client";
import { createRedisStore } from "./redis-store.mjs";
import { serve } from "./serve.mjs";
import { SESSIONS } from "./sessions.mjs";

/** The application that a careful developer writes with the README of openid-client. */
await serve(async ({ session, store, issuer, clientId, clientSecret, redirectUri }) => {
  const provider = await client.discovery(
    new URL(issuer),
    clientId,
    undefined,
    client.ClientSecretPost(clientSecret),
    { execute: [client.allowInsecureRequests] }, // http, because the provider is on loopback here
  );

  const app = express();
  app.use(expressSession({ ...SESSIONS[session], ...(store && { store: await createRedisStore(store) }) }));

  // This route comes first, so that its requests do not pass the two routes of the login.
  app.get("/account", requireUser, (req, res) => {
    res.json({ sub: req.session.user.claims.sub });
  });

  app.get("/login", async (req, res) => {
    const code_verifier = client.randomPKCECodeVerifier();
    const state = client.randomState();
    const nonce = client.randomNonce();
    req.session.login = { code_verifier, state, nonce };
    const url = client.buildAuthorizationUrl(provider, {
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
    const tokens = await client.authorizationCodeGrant(provider, new URL(req.originalUrl, redirectUri), {
      pkceCodeVerifier: code_verifier,
      expectedState: state,
      expectedNonce: nonce,
      idTokenExpected: true,
    });
    await new Promise((resolve, reject) => {
      req.session.regenerate((error) => (error ? reject(error) : resolve()));
    });
    req.session.user = { tokens: pickTokens(tokens), claims: tokens.claims() };
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

/** Picks the members that express-portal-auth stores, so that both sessions have the same size. */
function pickTokens({ access_token, token_type, refresh_token, id_token, scope, expires_in }) {
  const expires_at = Math.floor(Date.now() / 1000) + expires_in;
  return { access_token, token_type, refresh_token, id_token, scope, expires_at };
}
