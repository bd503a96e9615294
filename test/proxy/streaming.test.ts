import { once } from "node:events";
import type { ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { createServer as createTcpServer, type Socket } from "node:net";
import { text } from "node:stream/consumers";
import { generate } from "selfsigned";
import { describe, expect, test } from "vitest";
import { createGate } from "../support/gate.js";
import { serve, unreachableUrl } from "../support/serve.js";
import { headOf, responseTo, startProxy, startServer } from "./proxy-setup.js";

const MIB = 1024 * 1024;

/** Reads the next piece of a stream. */
const nextPiece = async (stream: AsyncIterator<Buffer>): Promise<string | undefined> =>
  (await stream.next()).value?.toString();

describe("a response", () => {
  test("is streamed piece by piece, and its head comes before the first piece", async () => {
    let events: ServerResponse | undefined;
    const url = await startServer((_req, res) => {
      events = res.writeHead(200, { "content-type": "text/event-stream" });
      res.flushHeaders();
    });
    const { open } = await startProxy(url);
    const response = await headOf(open("/api/events").end());
    expect([response.statusCode, response.headers["content-type"]]).toEqual([200, "text/event-stream"]);
    const pieces = response[Symbol.asyncIterator]();
    for (const event of ["data: 1\n\n", "data: 2\n\n"]) {
      events?.write(event);
      expect(await nextPiece(pieces)).toBe(event);
    }
    events?.end();
    expect(await nextPiece(pieces)).toBeUndefined();
  });

  test("with 204 has no Content-Length, even if the upstream sends one", async () => {
    const url = await startServer(
      (req) => void req.socket.write("HTTP/1.1 204 Nothing\r\nContent-Length: 9\r\n\r\n"),
    );
    const { open } = await startProxy(url);
    const { status, headers } = await responseTo(open("/api/x"));
    expect([status, headers["content-length"]]).toEqual([204, undefined]);
  });

  test("that breaks off does not look complete, and is logged", async () => {
    const url = await startServer((_req, res) => {
      res.writeHead(200).write("half");
      setImmediate(() => res.destroy());
    });
    const { open, log } = await startProxy(url, { log: [/upstream_unreachable/] });
    const response = await headOf(open("/api/x").end());
    await expect(response.toArray()).rejects.toThrow("aborted");
    await expect.poll(() => log.join()).toContain(`[/api to ${url}: the response broke off]`);
  });

  test("that stalls is cut after idleTimeout, and a slow one is not", async () => {
    const url = await startServer(async (req, res) => {
      res.writeHead(200);
      const interval = setInterval(() => res.write("x"), 100);
      setTimeout(() => {
        clearInterval(interval);
        if (req.url === "/whole") res.end();
      }, 1500);
    });
    const { open, log } = await startProxy(url, { proxy: { idleTimeout: 1 }, log: [/upstream_timeout/] });
    expect((await responseTo(open("/api/whole"))).body).toMatch(/^x{5,}$/);
    const response = await headOf(open("/api/half").end());
    await expect(response.toArray()).rejects.toThrow("aborted");
    await expect.poll(() => log.join()).toContain("upstream_timeout (504)");
  });

  test("ends at the upstream when the browser closes the connection, and no failure is logged", async () => {
    const aborted = createGate();
    const url = await startServer((_req, res) => {
      res.on("close", aborted.open);
      res.write("the first of many");
    });
    const { open, log } = await startProxy(url);
    const request = open("/api/x").end();
    const response = await headOf(request);
    await once(response, "data");
    request.destroy();
    await aborted.opened;
    expect(log.filter((line) => line.includes("upstream"))).toEqual([]);
  });

  test("that the browser does not read is not buffered here, so that the upstream must wait", async () => {
    const mustWait = createGate();
    let sent = 0;
    const url = await startServer((_req, res) => {
      const piece = Buffer.alloc(MIB);
      const more = () => {
        while (sent < 100 && res.write(piece)) sent += 1;
        if (sent < 100) mustWait.open();
        else res.end();
      };
      res.on("drain", () => {
        sent += 1;
        more();
      });
      more();
    });
    const { open } = await startProxy(url);
    const response = await headOf(open("/api/x").end());
    await mustWait.opened;
    await waitUntilConstant(() => sent);
    expect(sent).toBeLessThan(50); // pieces in the buffers of the sockets
    let bytes = 0;
    for await (const piece of response) bytes += piece.length;
    expect(bytes).toBe(100 * MIB);
  });
});

describe("an upload", () => {
  test("is streamed piece by piece, and the response may start before it ends", async () => {
    const url = await startServer((req, res) => void req.pipe(res));
    const { open } = await startProxy(url);
    const request = open("/api/echo", { method: "POST", headers: { "transfer-encoding": "chunked" } });
    request.write("one");
    const response = await headOf(request);
    const pieces = response[Symbol.asyncIterator]();
    expect(await nextPiece(pieces)).toBe("one");
    request.write("two");
    expect(await nextPiece(pieces)).toBe("two");
    request.end();
    expect(await nextPiece(pieces)).toBeUndefined();
  });

  test("is not buffered here while the upstream does not read, so that the browser must wait", async () => {
    const arrived = createGate();
    const mayRead = createGate();
    let bytes = 0;
    const url = await startServer(async (req, res) => {
      arrived.open();
      await mayRead.opened;
      for await (const piece of req) bytes += piece.length;
      res.end("done");
    });
    const { open } = await startProxy(url);
    const request = open("/api/x", { method: "PUT", headers: { "content-length": String(100 * MIB) } });
    const head = headOf(request);
    let sent = 0;
    const more = () => {
      while (sent < 100) {
        sent += 1;
        if (!request.write(Buffer.alloc(MIB))) {
          request.once("drain", more);
          return;
        }
      }
      request.end();
    };
    more();
    await arrived.opened;
    await waitUntilConstant(() => sent);
    expect(sent).toBeLessThan(50);
    mayRead.open();
    expect((await head).statusCode).toBe(200);
    expect(bytes).toBe(100 * MIB);
  });

  test("ends at the upstream when the browser closes the connection in its middle", async () => {
    const arrived = createGate();
    const aborted = createGate();
    const url = await startServer((req) => {
      req.on("data", arrived.open);
      req.on("error", aborted.open);
    });
    const { open, log } = await startProxy(url);
    const request = open("/api/x", { method: "POST", headers: { "content-length": "100" } });
    request.on("error", () => {});
    request.write("half");
    await arrived.opened;
    request.destroy();
    await aborted.opened;
    expect(log.filter((line) => line.includes("upstream"))).toEqual([]);
  });

  test("that the upstream does not read gets the upstream's response", async () => {
    const url = await startServer((_req, res) => void res.writeHead(413).end("too much"));
    const { open } = await startProxy(url);
    const request = open("/api/x", { method: "POST", headers: { "content-length": String(8 * MIB) } });
    const { status, body } = await responseTo(request, Buffer.alloc(8 * MIB));
    expect([status, body]).toEqual([413, "too much"]);
  });
});

describe("an upstream gives no valid response", () => {
  const LOGGED = [/upstream_(unreachable|timeout)/];

  /** Expects an error for a script and for a navigation. Neither shows anything about the upstream. */
  async function expectProblem(
    base: string,
    status: number,
    code: string,
    options: Parameters<typeof startProxy>[1] = {},
  ) {
    const world = await startProxy(base, { log: LOGGED, ...options });
    const { browser, url, log } = world;
    const problem = await browser.fetch(`${url}/api/secret-path?q=secret`, {
      method: "POST",
      form: { a: "1" },
    });
    expect([problem.status, problem.headers["content-type"]]).toEqual([status, "application/problem+json"]);
    expect(JSON.parse(problem.body).code).toBe(code);
    const page = await browser.navigate(`${url}/api/secret-path?q=secret`);
    expect([page.status, page.headers["content-type"]]).toEqual([status, "text/html; charset=utf-8"]);
    const { host, port } = new URL(base);
    for (const { body } of [problem, page])
      expect(body).not.toMatch(new RegExp(`${host}|${port}|ECONN|HPE_`));
    expect(log.join("\n")).toContain(`[/api to ${base}: `);
    expect(log.join("\n")).not.toContain("secret");
    return world;
  }

  /** Starts a TCP server. The test handles each connection at its first data. */
  async function startTcp(onData: (socket: Socket) => void): Promise<string> {
    const server = createTcpServer((socket) => {
      socket.on("error", () => {});
      socket.once("data", () => onData(socket));
    });
    return serve(server);
  }

  test("because it is not running: 502", async () => {
    const base = await unreachableUrl();
    const { log } = await expectProblem(base, 502, "upstream_unreachable");
    expect(log.join()).toContain("ECONNREFUSED");
  });

  test("because it closes the connection: 502", async () => {
    const base = await startTcp((socket) => socket.destroy());
    const { log } = await expectProblem(base, 502, "upstream_unreachable");
    expect(log.join()).toContain("ECONNRESET");
  });

  const OK = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

  /** Responds to the first request of each connection, and resets the connection at the second request. */
  async function startResetting() {
    const received: string[] = [];
    const base = await startTcp((socket) => {
      received.push("first of a connection");
      socket.once("data", (request) => {
        received.push(request.toString("latin1").split(" HTTP")[0] as string);
        socket.resetAndDestroy();
      });
      socket.write(OK);
    });
    return { received, ...(await startProxy(base, { log: LOGGED })) };
  }

  test.each(["GET", "HEAD", "OPTIONS"])(
    "because it closes a kept-alive connection: %s is sent again over a new connection",
    async (method) => {
      const { received, open } = await startResetting();
      for (const path of ["/api/1", "/api/2"])
        expect((await responseTo(open(path, { method }))).status).toBe(200);
      expect(received).toEqual(["first of a connection", `${method} /2`, "first of a connection"]);
    },
  );

  test.each<[string, string | undefined]>([
    ["POST", "body"],
    ["GET", "body"],
    ["DELETE", undefined],
  ])(
    "because it closes a kept-alive connection: %s with the body %s is not repeated",
    async (method, body) => {
      const { received, open, log } = await startResetting();
      const headers: Record<string, string> =
        body === undefined ? {} : { "content-length": String(body.length) };
      await responseTo(open("/api/1"));
      expect((await responseTo(open("/api/2", { method, headers }), body)).status).toBe(502);
      expect(received).toEqual(["first of a connection", `${method} /2`]);
      expect(log.join()).toContain("ECONNRESET");
    },
  );

  test("because it speaks another protocol: 502", async () => {
    const base = await startTcp((socket) => socket.end("220 mail.example ESMTP\r\n"));
    const { log } = await expectProblem(base, 502, "upstream_unreachable");
    expect(log.join()).toContain("HPE_");
  });

  test("because it changes the protocol although the request had no upgrade: 502", async () => {
    const head = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n";
    const base = await startTcp((socket) => void socket.write(head));
    await expectProblem(base, 502, "upstream_unreachable");
  });

  test.each([600, 999])("because it responds with the invalid status %d: 502", async (status) => {
    const base = await startTcp(
      (socket) => void socket.end(`HTTP/1.1 ${status} X\r\nContent-Length: 0\r\n\r\n`),
    );
    const { log } = await expectProblem(base, 502, "upstream_unreachable");
    expect(log.join()).toContain(`answered with the status ${status}`);
  });

  test("because its certificate is not trusted: 502, and it gets no token", async () => {
    const { private: key, cert } = await generate([{ name: "commonName", value: "127.0.0.1" }]);
    let requests = 0;
    const server = createTlsServer({ key, cert }, () => {
      requests += 1;
    });
    const base = await serve(server);
    const { log } = await expectProblem(base, 502, "upstream_unreachable");
    expect(log.join()).toContain("SELF_SIGNED");
    expect(requests).toBe(0);
  });

  test("before the timeout: 504, and the request is aborted", async () => {
    const aborted = createGate();
    const base = await startServer((req) => void req.once("close", aborted.open));
    const { log } = await expectProblem(base, 504, "upstream_timeout", { proxy: { timeout: 0.2 } });
    await aborted.opened;
    expect(log.join()).toContain("no response in time");
  });

  test("because the upload stalls: 504, but a slow upload causes no timeout", async () => {
    const base = await startServer(async (req, res) => {
      const pieces = await req.toArray().catch(() => []);
      res.end(String(Buffer.concat(pieces).length));
    });
    const { open, log } = await startProxy(base, { proxy: { timeout: 1 }, log: LOGGED });
    const slow = open("/api/x", { method: "POST", headers: { "content-length": "15" } });
    const response = headOf(slow);
    for (let piece = 0; piece < 15; piece += 1) {
      slow.write("x");
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    expect(await text(await response)).toBe("15");
    const stalled = open("/api/x", { method: "POST", headers: { "content-length": "10" } });
    stalled.write("x");
    const { statusCode, headers } = await headOf(stalled);
    expect([statusCode, headers.connection]).toEqual([504, "close"]);
    expect(log.join()).toContain("the upload stalled");
  });
});

/** Waits until the count has not changed for 100 ms. */
async function waitUntilConstant(count: () => number): Promise<void> {
  for (let before = -1; before !== count(); ) {
    before = count();
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
