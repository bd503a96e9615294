import { createServer, type IncomingMessage, request, ServerResponse } from "node:http";
import { connect, createServer as createHttp2Server } from "node:http2";
import type { Socket } from "node:net";
import express from "express";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { requireAuth } from "../../lib/index.js";
import { serve } from "../support/serve.js";
import { startWorld } from "../support/world.js";

type Handler = (req: never, res: never, next: never) => void;

const HANDLERS: [name: string, create: () => Promise<Handler>][] = [
  ["portalAuth()", async () => (await startWorld({ log: [/request_not_express/] })).auth],
  ["requireAuth()", async () => requireAuth()],
];

/** Requests a WebSocket. Resolves with the status, or with "closed" if the socket was closed. */
const requestUpgrade = (url: string, headers: Record<string, string> = {}): Promise<number | string> =>
  new Promise((resolve) => {
    const upgradeRequest = request(url, {
      headers: { Connection: "Upgrade", Upgrade: "websocket", ...headers },
    });
    upgradeRequest.on("upgrade", (res, socket) => {
      socket.destroy();
      resolve(res.statusCode ?? 0);
    });
    upgradeRequest.on("response", (res) => resolve(res.statusCode ?? 0));
    upgradeRequest.on("error", () => resolve("closed"));
    upgradeRequest.end();
  });

describe.each(HANDLERS)("%s that is not called by Express", (_name, create) => {
  test("passes a request of a plain http server to next, with a code and advice", async () => {
    const handler = await create();
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

  test("responds with 500 without next", async () => {
    vi.spyOn(console, "error").mockImplementation(() => {});
    const handler = await create();
    const url = await serve(handler as never);
    expect((await fetch(url)).status).toBe(500);
  });

  test("passes the upgrade of a WebSocket to next", async () => {
    const handler = await create();
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
    expect(await requestUpgrade(await serve(server))).toBe(500);
  });

  test("closes the socket of an upgrade without next", async () => {
    vi.spyOn(console, "error").mockImplementation(() => {});
    const handler = await create();
    const server = createServer();
    server.on("upgrade", handler as never);
    expect(await requestUpgrade(await serve(server))).toBe("closed");
  });

  test("passes a request of an HTTP/2 server to next", async () => {
    const handler = await create();
    const server = createHttp2Server((req, res) =>
      handler(req as never, res as never, ((error: { code: string }) => res.end(error.code)) as never),
    );
    const client = connect(await serve(server));
    onTestFinished(() => client.destroy());
    const response = client.request({ ":path": "/" });
    expect(Buffer.concat(await response.toArray()).toString()).toBe("request_not_express");
  });
});

test("an upgrade via an Express app has the signed-in user", async () => {
  const { browser, url, auth } = await startWorld();
  await browser.visit(`${url}/account`);
  const cookie = [...(await browser.cookies(url))].map(([name, value]) => `${name}=${value}`).join("; ");
  const sessionApp = express().use(auth);
  const server = createServer();
  server.on("upgrade", (req, socket) => {
    sessionApp(req as never, new ServerResponse(req) as never, () => {
      const { portal } = req as unknown as express.Request;
      const status = portal?.isAuthenticated ? "101 Switching Protocols" : "401 Unauthorized";
      socket.end(`HTTP/1.1 ${status}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n`);
    });
  });
  const upgradeUrl = await serve(server);
  expect([await requestUpgrade(upgradeUrl, { cookie }), await requestUpgrade(upgradeUrl)]).toEqual([
    101, 401,
  ]);
});
