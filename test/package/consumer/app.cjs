// The quick start as CommonJS: require() of a package that is an ES module.
const express = require("express");
const { portalAuth, requireAuth } = require("express-portal-auth");

const app = express();
app.use(portalAuth());
app.get("/account", requireAuth(), (req, res) => res.json(req.portal.claims));
app.get("/who", (req, res) => res.json({ isAuthenticated: req.portal.isAuthenticated }));
const server = app.listen(0, "127.0.0.1", () => console.log(server.address().port));
