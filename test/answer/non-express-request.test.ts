import { createServer, type IncomingMessage, request, ServerResponse } from "node:http";
import { connect, createServer as createHttp2Server } from "node:http2";
import type { Socket } from "node:net";
import express from "express";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { requireAuth } from "../../lib/index.js";
import { serve } from "../support/serve.js";
import { startWorld } from "../support/world.js";

type Handler = (req: never, res: never, next: never) => void;

const HANDLERS: [name: string, make: () => Promise<Handler>][] = [
  ["portalAuth()", async () => (await startWorld({ log: [/request_not_express/] })).auth],
  ["requireAuth()", async () => requireAuth()],
];

/** Asks for a WebSocket at this address; resolves with the status, or "closed" where the socket was closed. */
const upgrade = (url: string, headers: Record<string, string> = {}): Promise<number | string> =>
  new Promise((resolve) => {
    const asking = request(url, { headers: { Connection: "Upgrade", Upgrade: "websocket", ...headers } });
    asking.on("upgrade", (res, socket) => {
      socket.destroy();
      resolve(res.statusCode ?? 0);
    });
    asking.on("response", (res) => resolve(res.statusCode ?? 0));
    asking.on("error", () => resolve("closed"));
    asking.end();
  });

describe.each(HANDLERS)("%s that is not called by Express", (_name, make) => {
  test("hands a request of a plain http server to next, with a code and what to do", async () => {
    const handler = await make();
    const url = await serve((req, res) =>
      handler(
        req as never,
        res as never,
        ((error: Error & { code: string }) => {
          res.end(`${error.code}: ${error.message}`);
        }) as never,
      ),
    );
    expect(await (await fetch(url)).text()).toMatch(/^request_not_express: .*Mount it with app\.use\(\)/);
  });

  test("answers with 500 where there is no next", async () => {
    vi.spyOn(console, "error").mockImplementation(() => {});
    const handler = await make();
    const url = await serve(handler as never);
    expect((await fetch(url)).status).toBe(500);
  });

  test("hands a WebSocket's upgrade to next", async () => {
    const handler = await make();
    const server = createServer();
    server.on("upgrade", (req: IncomingMessage, socket: Socket) =>
      handler(
        req as never,
        socket as never,
        ((error: { status: number }) => {
          socket.end(`HTTP/1.1 ${error.status} Error\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
        }) as never,
      ),
    );
    expect(await upgrade(await serve(server))).toBe(500);
  });

  test("closes the socket of an upgrade where there is no next", async () => {
    vi.spyOn(console, "error").mockImplementation(() => {});
    const handler = await make();
    const server = createServer();
    server.on("upgrade", handler as never);
    expect(await upgrade(await serve(server))).toBe("closed");
  });

  test("hands a request of an HTTP/2 server to next", async () => {
    const handler = await make();
    const server = createHttp2Server((req, res) =>
      handler(req as never, res as never, ((error: { code: string }) => res.end(error.code)) as never),
    );
    const client = connect(await serve(server));
    onTestFinished(() => client.destroy());
    const answer = client.request({ ":path": "/" });
    expect(Buffer.concat(await answer.toArray()).toString()).toBe("request_not_express");
  });
});

test("through an Express app, an upgrade knows the signed-in user", async () => {
  const { browser, url, auth } = await startWorld();
  await browser.visit(`${url}/account`);
  const cookie = [...(await browser.cookies(url))].map(([name, value]) => `${name}=${value}`).join("; ");
  const session = express().use(auth);
  const server = createServer();
  server.on("upgrade", (req, socket) => {
    session(req as never, new ServerResponse(req) as never, () => {
      const { portal } = req as unknown as express.Request;
      const status = portal?.isAuthenticated ? "101 Switching Protocols" : "401 Unauthorized";
      socket.end(`HTTP/1.1 ${status}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n`);
    });
  });
  const address = await serve(server);
  expect([await upgrade(address, { cookie }), await upgrade(address)]).toEqual([101, 401]);
});
