// The same package from a CommonJS module in TypeScript. It is compiled, not run.
import express = require("express");
import portal = require("express-portal-auth");

const options: portal.PortalAuthOptions = { routes: { logout: false } };

// @ts-expect-error the compiler rejects a misspelt option
const misspelt: portal.PortalAuthOptions = { rotes: {} };

const app = express();
app.use(portal.portalAuth(options));
app.get("/account", portal.requireAuth(), async (req, res) => {
  const sub: string | undefined = req.portal.claims?.sub;
  const accessToken: string | undefined = req.session.portal?.tokens.access_token;
  res.json({ sub, accessToken, tokens: await req.portal.tokens() });
});

export = { app, misspelt };
