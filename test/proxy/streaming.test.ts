import { once } from "node:events";
import type { ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { createServer as createTcpServer, type Socket } from "node:net";
import { text } from "node:stream/consumers";
import { generate } from "selfsigned";
import { describe, expect, test } from "vitest";
import { createGate } from "../support/gate.js";
import { serve, unreachableUrl } from "../support/serve.js";
import { answerTo, headOf, startBefore, startServer } from "./proxy-setup.js";

const MIB = 1024 * 1024;

/** Something to read from, piece by piece as it comes. */
const nextPiece = async (stream: AsyncIterator<Buffer>): Promise<string | undefined> =>
  (await stream.next()).value?.toString();

describe("an answer", () => {
  test("comes piece by piece, its head before there is any", async () => {
    let events: ServerResponse | undefined;
    const url = await startServer((_req, res) => {
      events = res.writeHead(200, { "content-type": "text/event-stream" });
      res.flushHeaders();
    });
    const { open } = await startBefore(url);
    const answer = await headOf(open("/api/events").end());
    expect([answer.statusCode, answer.headers["content-type"]]).toEqual([200, "text/event-stream"]);
    const pieces = answer[Symbol.asyncIterator]();
    for (const event of ["data: 1\n\n", "data: 2\n\n"]) {
      events?.write(event);
      expect(await nextPiece(pieces)).toBe(event);
    }
    events?.end();
    expect(await nextPiece(pieces)).toBeUndefined();
  });

  test("of 204 has no length, whatever the upstream says", async () => {
    const url = await startServer(
      (req) => void req.socket.write("HTTP/1.1 204 Nothing\r\nContent-Length: 9\r\n\r\n"),
    );
    const { open } = await startBefore(url);
    const { status, headers } = await answerTo(open("/api/x"));
    expect([status, headers["content-length"]]).toEqual([204, undefined]);
  });

  test("that breaks off does not look whole, and is told in the log", async () => {
    const url = await startServer((_req, res) => {
      res.writeHead(200).write("half");
      setImmediate(() => res.destroy());
    });
    const { open, log } = await startBefore(url, { log: [/upstream_unreachable/] });
    const answer = await headOf(open("/api/x").end());
    await expect(answer.toArray()).rejects.toThrow("aborted");
    await expect.poll(() => log.join()).toContain(`[/api to ${url}: the response broke off]`);
  });

  test("that stands still is cut after idleTimeout, and one that goes on is not", async () => {
    const url = await startServer(async (req, res) => {
      res.writeHead(200);
      const slowly = setInterval(() => res.write("x"), 100);
      setTimeout(() => {
        clearInterval(slowly);
        if (req.url === "/whole") res.end();
      }, 1500);
    });
    const { open, log } = await startBefore(url, { proxy: { idleTimeout: 1 }, log: [/upstream_timeout/] });
    expect((await answerTo(open("/api/whole"))).body).toMatch(/^x{5,}$/);
    const answer = await headOf(open("/api/half").end());
    await expect(answer.toArray()).rejects.toThrow("aborted");
    await expect.poll(() => log.join()).toContain("upstream_timeout (504)");
  });

  test("ends at the upstream when the browser hangs up, and nothing is wrong with that", async () => {
    const isCut = createGate();
    const url = await startServer((_req, res) => {
      res.on("close", isCut.open);
      res.write("the first of many");
    });
    const { open, log } = await startBefore(url);
    const asking = open("/api/x").end();
    const answer = await headOf(asking);
    await once(answer, "data");
    asking.destroy();
    await isCut.opened;
    expect(log.filter((line) => line.includes("upstream"))).toEqual([]);
  });

  test("that nobody reads is not gathered here: the upstream has to wait", async () => {
    const waits = createGate();
    let sent = 0;
    const url = await startServer((_req, res) => {
      const piece = Buffer.alloc(MIB);
      const more = () => {
        while (sent < 100 && res.write(piece)) sent += 1;
        if (sent < 100) waits.open();
        else res.end();
      };
      res.on("drain", () => {
        sent += 1;
        more();
      });
      more();
    });
    const { open } = await startBefore(url);
    const answer = await headOf(open("/api/x").end());
    await waits.opened;
    await settled(() => sent);
    expect(sent).toBeLessThan(50); // what lies in the sockets' buffers
    let bytes = 0;
    for await (const piece of answer) bytes += piece.length;
    expect(bytes).toBe(100 * MIB);
  });
});

describe("an upload", () => {
  test("comes piece by piece, and the answer may begin before it has ended", async () => {
    const url = await startServer((req, res) => void req.pipe(res));
    const { open } = await startBefore(url);
    const asking = open("/api/echo", { method: "POST", headers: { "transfer-encoding": "chunked" } });
    asking.write("one");
    const answer = await headOf(asking);
    const pieces = answer[Symbol.asyncIterator]();
    expect(await nextPiece(pieces)).toBe("one");
    asking.write("two");
    expect(await nextPiece(pieces)).toBe("two");
    asking.end();
    expect(await nextPiece(pieces)).toBeUndefined();
  });

  test("is not gathered here while the upstream does not read: the browser has to wait", async () => {
    const arrived = createGate();
    const mayRead = createGate();
    let bytes = 0;
    const url = await startServer(async (req, res) => {
      arrived.open();
      await mayRead.opened;
      for await (const piece of req) bytes += piece.length;
      res.end("done");
    });
    const { open } = await startBefore(url);
    const asking = open("/api/x", { method: "PUT", headers: { "content-length": String(100 * MIB) } });
    const head = headOf(asking);
    let sent = 0;
    const more = () => {
      while (sent < 100) {
        sent += 1;
        if (!asking.write(Buffer.alloc(MIB))) return void asking.once("drain", more);
      }
      asking.end();
    };
    more();
    await arrived.opened;
    await settled(() => sent);
    expect(sent).toBeLessThan(50);
    mayRead.open();
    expect((await head).statusCode).toBe(200);
    expect(bytes).toBe(100 * MIB);
  });

  test("ends at the upstream when the browser hangs up in its middle", async () => {
    const [arrived, isCut] = [createGate(), createGate()];
    const url = await startServer((req) => {
      req.on("data", arrived.open);
      req.on("error", isCut.open);
    });
    const { open, log } = await startBefore(url);
    const asking = open("/api/x", { method: "POST", headers: { "content-length": "100" } });
    asking.on("error", () => {});
    asking.write("half");
    await arrived.opened;
    asking.destroy();
    await isCut.opened;
    expect(log.filter((line) => line.includes("upstream"))).toEqual([]);
  });

  test("that the upstream does not want to read is answered all the same", async () => {
    const url = await startServer((_req, res) => void res.writeHead(413).end("too much"));
    const { open } = await startBefore(url);
    const asking = open("/api/x", { method: "POST", headers: { "content-length": String(8 * MIB) } });
    const { status, body } = await answerTo(asking, Buffer.alloc(8 * MIB));
    expect([status, body]).toEqual([413, "too much"]);
  });
});

describe("an upstream that gives no answer", () => {
  const LOGGED = [/upstream_(unreachable|timeout)/];

  /** What a person is told: nothing of the upstream. */
  async function expectProblem(
    base: string,
    status: number,
    code: string,
    given: Parameters<typeof startBefore>[1] = {},
  ) {
    const world = await startBefore(base, { log: LOGGED, ...given });
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

  /** A server that does with a connection what the test wants. */
  async function startTcp(onData: (socket: Socket) => void): Promise<string> {
    const server = createTcpServer((socket) => {
      socket.on("error", () => {});
      socket.once("data", () => onData(socket));
    });
    return serve(server);
  }

  test("as it does not run: 502", async () => {
    const base = await unreachableUrl();
    const { log } = await expectProblem(base, 502, "upstream_unreachable");
    expect(log.join()).toContain("ECONNREFUSED");
  });

  test("as it closes the connection: 502", async () => {
    const base = await startTcp((socket) => socket.destroy());
    const { log } = await expectProblem(base, 502, "upstream_unreachable");
    expect(log.join()).toContain("ECONNRESET");
  });

  const OK = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

  /** Answers the first request of each connection, and resets a connection at its second request. */
  async function startResetting() {
    const got: string[] = [];
    const base = await startTcp((socket) => {
      got.push("first of a connection");
      socket.once("data", (request) => {
        got.push(request.toString("latin1").split(" HTTP")[0] as string);
        socket.resetAndDestroy();
      });
      socket.write(OK);
    });
    return { got, ...(await startBefore(base, { log: LOGGED })) };
  }

  test.each(["GET", "HEAD", "OPTIONS"])(
    "of a kept connection: %s is sent again over a new one",
    async (method) => {
      const { got, open } = await startResetting();
      for (const path of ["/api/1", "/api/2"])
        expect((await answerTo(open(path, { method }))).status).toBe(200);
      expect(got).toEqual(["first of a connection", `${method} /2`, "first of a connection"]);
    },
  );

  test.each<[string, string | undefined]>([
    ["POST", "body"],
    ["GET", "body"],
    ["DELETE", undefined],
  ])(
    "of a kept connection: %s with the body %s may have had an effect and is not repeated: 502",
    async (method, body) => {
      const { got, open, log } = await startResetting();
      const headers: Record<string, string> =
        body === undefined ? {} : { "content-length": String(body.length) };
      await answerTo(open("/api/1"));
      expect((await answerTo(open("/api/2", { method, headers }), body)).status).toBe(502);
      expect(got).toEqual(["first of a connection", `${method} /2`]);
      expect(log.join()).toContain("ECONNRESET");
    },
  );

  test("as it speaks something else: 502", async () => {
    const base = await startTcp((socket) => socket.end("220 mail.example ESMTP\r\n"));
    const { log } = await expectProblem(base, 502, "upstream_unreachable");
    expect(log.join()).toContain("HPE_");
  });

  test("as it changes protocols without being asked: 502", async () => {
    const head = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n";
    const base = await startTcp((socket) => void socket.write(head));
    await expectProblem(base, 502, "upstream_unreachable");
  });

  test.each([600, 999])("as it answers with the status %d, which is none: 502", async (status) => {
    const base = await startTcp(
      (socket) => void socket.end(`HTTP/1.1 ${status} X\r\nContent-Length: 0\r\n\r\n`),
    );
    const { log } = await expectProblem(base, 502, "upstream_unreachable");
    expect(log.join()).toContain(`answered with the status ${status}`);
  });

  test("as nobody vouches for its certificate: 502, and it gets no token", async () => {
    const { private: key, cert } = await generate([{ name: "commonName", value: "127.0.0.1" }]);
    let asked = 0;
    const server = createTlsServer({ key, cert }, () => {
      asked += 1;
    });
    const base = await serve(server);
    const { log } = await expectProblem(base, 502, "upstream_unreachable");
    expect(log.join()).toContain("SELF_SIGNED");
    expect(asked).toBe(0);
  });

  test("in time: 504, and it is asked no longer", async () => {
    const isCut = createGate();
    const base = await startServer((req) => void req.once("close", isCut.open));
    const { log } = await expectProblem(base, 504, "upstream_timeout", { proxy: { timeout: 0.2 } });
    await isCut.opened;
    expect(log.join()).toContain("no response in time");
  });

  test("as the upload stands still: 504; one that is slow is waited for", async () => {
    const base = await startServer(async (req, res) => {
      const pieces = await req.toArray().catch(() => []);
      res.end(String(Buffer.concat(pieces).length));
    });
    const { open, log } = await startBefore(base, { proxy: { timeout: 1 }, log: LOGGED });
    const slow = open("/api/x", { method: "POST", headers: { "content-length": "15" } });
    const answer = headOf(slow);
    for (let piece = 0; piece < 15; piece += 1) {
      slow.write("x");
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    expect(await text(await answer)).toBe("15");
    const stuck = open("/api/x", { method: "POST", headers: { "content-length": "10" } });
    stuck.write("x");
    const { statusCode, headers } = await headOf(stuck);
    expect([statusCode, headers.connection]).toEqual([504, "close"]);
    expect(log.join()).toContain("the upload stalled");
  });
});

/** When a count does not change any more. */
async function settled(count: () => number): Promise<void> {
  for (let before = -1; before !== count(); ) {
    before = count();
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
