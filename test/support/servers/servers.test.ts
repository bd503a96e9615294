import { type ChildProcess, execFileSync, fork } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { fileURLToPath } from "node:url";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { describeWithPostgres, describeWithRedis } from "./describe.js";
import { noMariadb, startMariadb } from "./mariadb.mjs";
import { noPostgres, startPostgres } from "./postgres.mjs";
import { noRedis, startRedis } from "./redis.mjs";

describeWithRedis("a Redis that many tests share", (redis) => {
  test("responds, and while it is paused it does not respond", async () => {
    expect(await send(redis().port, "PING")).toBe("+PONG\r\n");
    onTestFinished(redis().resume); // in case this test fails before it resumes the server
    redis().pause();
    // A busy system reports the state later.
    await vi.waitFor(() => expect(statesOf(redis().pid)).toEqual(["T"]));
    const response = send(redis().port, "PING");
    redis().resume();
    expect(await response).toBe("+PONG\r\n");
  });

  test("refuses connections after a kill, and is empty after a restart", async () => {
    const { port, pid } = redis();
    await send(port, "SET some thing");
    await redis().kill();
    expect(redis().pid).toBeUndefined();
    await expect(send(port, "PING")).rejects.toMatchObject({ code: "ECONNREFUSED" });
    await redis().restart();
    expect(redis().pid).not.toBe(pid);
    expect(await send(port, "GET some")).toBe("$-1\r\n");
  });
});

describeWithRedis(
  "a Redis with the option keep",
  (redis) => {
    test("has its data after a restart", async () => {
      await send(redis().port, "SET some thing");
      await redis().restart();
      expect(await send(redis().port, "GET some")).toBe("$5\r\nthing\r\n");
    });
  },
  { keep: true },
);

describeWithPostgres("a PostgreSQL that many tests share", (postgres) => {
  test("responds, and while it is paused none of its processes responds", async () => {
    expect(await requestTls(postgres().port)).toBe("N");
    onTestFinished(postgres().resume);
    postgres().pause();
    await vi.waitFor(() => expect(new Set(statesOf(postgres().pid))).toEqual(new Set(["T"])));
    const response = requestTls(postgres().port);
    postgres().resume();
    expect(await response).toBe("N");
    await vi.waitFor(() => expect(statesOf(postgres().pid)).not.toContain("T"));
  });
});

describe.each([
  ["Redis", noRedis, startRedis],
  ["PostgreSQL", noPostgres, startPostgres],
  ["MariaDB", noMariadb, startMariadb],
])("%s", (_name, missing, start) => {
  test.skipIf(missing)(
    `leaves nothing behind when it is stopped while it is paused${missing && ` (${missing})`}`,
    async () => {
      const server = await start();
      const { pid, port, folder } = server;
      expect(existsSync(folder)).toBe(true);
      server.pause();
      await server.stop();
      await server.stop(); // a second stop() does nothing
      expect(statesOf(pid)).toEqual([]);
      expect(existsSync(folder)).toBe(false);
      await expect(send(port, "PING")).rejects.toMatchObject({ code: "ECONNREFUSED" });
    },
  );
});

const missing = noRedis || noPostgres;

test.skipIf(missing).each<[string, (program: ChildProcess) => void]>([
  ["ends by itself", (program) => program.send("end")],
  ["receives SIGTERM", (program) => program.kill("SIGTERM")],
  ["receives SIGINT, as by Ctrl-C", (program) => program.kill("SIGINT")],
])(`servers end with the process that %s${missing && ` (${missing})`}`, async (_case, end) => {
  const program = fork(fileURLToPath(new URL("../programs/servers.mjs", import.meta.url)), { execArgv: [] });
  onTestFinished(() => void program.kill("SIGKILL"));
  const ended = once(program, "exit");
  const [servers] = (await Promise.race([once(program, "message"), ended])) as [
    { port: number; folder: string }[],
  ];
  const connections = await Promise.all(servers.map(({ port }) => open(port)));
  const closed = connections.map(
    (connection) => new Promise((resolve) => connection.resume().once("close", resolve)),
  );
  end(program);
  await Promise.all([ended, ...closed]);
  expect(servers.map(({ folder }) => existsSync(folder))).toEqual([false, false]);
});

/** Returns the states of a process and its children. "T" means stopped. */
function statesOf(pid: number | undefined): string[] {
  const all = execFileSync("ps", ["-A", "-o", "pid=,ppid=,state="], { encoding: "utf8" });
  const rows = all.split("\n").map((line) => line.trim().split(/\s+/));
  return rows
    .filter((row) => row.slice(0, 2).includes(String(pid)))
    .map(([, , state = ""]) => state.charAt(0));
}

async function open(port: number): Promise<Socket> {
  const socket = connect(port, "127.0.0.1");
  onTestFinished(() => void socket.destroy());
  await once(socket, "connect");
  return socket.on("error", () => {}); // reset by the server
}

async function send(port: number, line: string | Buffer): Promise<string> {
  const socket = await open(port);
  socket.write(typeof line === "string" ? `${line}\r\n` : line);
  const [response] = await once(socket, "data");
  return String(response);
}

/** The request SSLRequest. PostgreSQL responds before authentication, here with N for no. */
const requestTls = (port: number) => send(port, Buffer.from([0, 0, 0, 8, 4, 210, 22, 47]));
