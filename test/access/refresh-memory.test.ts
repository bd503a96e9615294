import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import type { Request } from "express";
import { expect, test, vi } from "vitest";
import { logIn, TOKEN_SECONDS } from "./signed-in-request.js";

setFlagsFromString("--expose-gc");
const gc = runInNewContext("gc") as () => void;
test("a refresh that has ended keeps no request in memory until PORTAL_HTTP_TIMEOUT is over", async () => {
  const { inRequest, later, ask, refreshes } = await logIn({ options: { httpTimeout: 120 } });
  later(TOKEN_SECONDS);
  let request: WeakRef<Request> | undefined;
  await inRequest(async (req) => {
    request = new WeakRef(req);
    await req.portal.accessToken();
  });
  expect(refreshes()).toHaveLength(1);
  await vi.waitFor(
    async () => {
      await ask(); // the connection references its last request
      gc();
      expect(request?.deref() === undefined).toBe(true);
    },
    { timeout: 5000 },
  );
});
