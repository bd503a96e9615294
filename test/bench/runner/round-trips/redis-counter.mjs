import { once } from "node:events";
import { connect } from "node:net";
import { createInterface } from "node:readline";
import { untilSilent } from "./silence.mjs";

const WRITES = "SET DEL EXPIRE PEXPIRE PEXPIREAT HSET HDEL ZADD ZREM ZREMRANGEBYSCORE".split(" ");
/** The client sends it every three seconds. */
const IGNORED = ["PING"];

/**
 * Counts what arrives at a Redis while some work is done. MONITOR also shows the commands that a script runs: a script that
 * ran a write counts as one write, every other one as a read. `inside` is the number of commands in all scripts.
 */
export async function countAtRedis(port, work) {
  const socket = connect(port, "127.0.0.1");
  const lines = createInterface(socket);
  const calls = [];
  try {
    socket.write("MONITOR\r\n");
    await once(lines, "line");
    lines.on("line", (line) => add(calls, line));
    await work();
    await untilSilent(calls);
  } finally {
    socket.destroy();
  }
  return sumOf(calls);
}

/** `1700000000.123456 [0 127.0.0.1:40000] "EVALSHA" "…" "1" "portal:s:…"`; in a script `[0 lua] "HSET" "portal:s:…"` */
function add(calls, line) {
  const [, from, command, rest] = /^\S+ \[\d+ (\S+)\] "(\w+)"(.*)$/.exec(line);
  const name = command.toUpperCase();
  if (IGNORED.includes(name)) return;
  const isWrite = WRITES.includes(name);
  if (from !== "lua") calls.push({ isWrite, isOurs: rest.includes('"portal:'), inside: 0 });
  else {
    const call = calls.at(-1);
    call.isWrite ||= isWrite;
    call.inside += 1;
  }
}

function sumOf(calls) {
  const count = (isOurs, isWrite) =>
    calls.filter((call) => call.isOurs === isOurs && call.isWrite === isWrite).length;
  return {
    reads: count(true, false),
    writes: count(true, true),
    appsReads: count(false, false),
    appsWrites: count(false, true),
    inside: calls.reduce((sum, { inside }) => sum + inside, 0),
  };
}
