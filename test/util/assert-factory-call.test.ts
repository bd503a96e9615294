import { createServer } from "node:http";
import express, { type RequestHandler } from "express";
import { expect, test } from "vitest";
import { portalAuth, portalErrors, requireAuth } from "../../lib/index.js";
import { inspector } from "../../lib/inspector/index.js";
import { serve } from "../support/serve.js";

test.each<[string, unknown]>([
  ["portalAuth", portalAuth],
  ["portalErrors", portalErrors],
  ["requireAuth", requireAuth],
  ["inspector", inspector],
])("%s without parentheses responds with an error that explains the mistake", async (name, factory) => {
  const app = express();
  app.use(factory as RequestHandler);
  app.use(
    ((error, _req, res, _next) => void res.status(500).end(error.message)) as express.ErrorRequestHandler,
  );
  const server = createServer(app);
  const response = await fetch(await serve(server));
  expect(await response.text()).toBe(
    `${name} creates a handler, and was used as a handler: write ${name}(), with parentheses`,
  );
});
