// The quick start as an ES module; everything else comes from the environment.
import express from "express";
import { portalAuth, requireAuth } from "express-portal-auth";

const app = express();
app.use(portalAuth());
app.get("/account", requireAuth(), (req, res) => res.json(req.portal.claims));
app.get("/who", (req, res) => res.json({ isAuthenticated: req.portal.isAuthenticated }));
const server = app.listen(0, "127.0.0.1", () => console.log(server.address().port));
