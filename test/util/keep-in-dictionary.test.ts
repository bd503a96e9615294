import { setFlagsFromString } from "node:v8";
import type { Request, Response } from "express";
import { expect, test } from "vitest";
import { startWorld } from "../support/world.js";

setFlagsFromString("--allow-natives-syntax");
const hasHiddenClass = new Function("object", "return %HasFastProperties(object)") as (
  object: object,
) => boolean;

test.each([4, 5] as const)(
  "after portalAuth(), a request and its response have dictionaries and all their properties (Express %i)",
  async (express) => {
    const seen: unknown[] = [];
    const record = (req: Request, res: Response) =>
      seen.push([hasHiddenClass(req), hasHiddenClass(res), req.res === res, res.req === req]);
    const world = await startWorld({
      express,
      before: (app) =>
        app.use((req, res, next) => {
          record(req, res);
          next();
        }),
      after: (app) =>
        app.get("/test/page", (req, res) => {
          record(req, res);
          res.send("page");
        }),
    });
    expect((await world.browser.visit(`${world.url}/test/page`)).status).toBe(200);
    expect(seen).toEqual([
      [true, true, true, true],
      [false, false, true, true],
    ]);
  },
);
