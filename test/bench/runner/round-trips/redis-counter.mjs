import { once } from "node:events";
import { connect } from "node:net";
import { createInterface } from "node:readline";
import { waitUntilSilent } from "./silence.mjs";

const WRITES = "SET DEL EXPIRE PEXPIRE PEXPIREAT HSET HDEL ZADD ZREM ZREMRANGEBYSCORE".split(" ");
/** The client sends PING every 3 s. */
const IGNORED = ["PING"];

/**
 * Counts the calls of a Redis during some work. MONITOR also shows the commands that a script runs. A script
 * with a write counts as one write, another script as one read. `scriptCommands` is the number of commands in
 * all scripts.
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
    await waitUntilSilent(calls);
  } finally {
    socket.destroy();
  }
  return sum(calls);
}

/**
 * Adds a line of MONITOR to the calls. A call looks like
 * `1700000000.123456 [0 127.0.0.1:40000] "EVALSHA" "…" "1" "portal:s:…"`. A command of a script has `[0 lua]`
 * instead, and belongs to the call before.
 */
function add(calls, line) {
  const [, from, command, rest] = /^\S+ \[\d+ (\S+)\] "(\w+)"(.*)$/.exec(line);
  const name = command.toUpperCase();
  if (IGNORED.includes(name)) return;
  const isWrite = WRITES.includes(name);
  if (from !== "lua") calls.push({ isWrite, isOfLogin: rest.includes('"portal:'), scriptCommands: 0 });
  else {
    const call = calls.at(-1);
    call.isWrite ||= isWrite;
    call.scriptCommands += 1;
  }
}

function sum(calls) {
  const count = (isOfLogin, isWrite) =>
    calls.filter((call) => call.isOfLogin === isOfLogin && call.isWrite === isWrite).length;
  return {
    reads: count(true, false),
    writes: count(true, true),
    appReads: count(false, false),
    appWrites: count(false, true),
    scriptCommands: calls.reduce((total, { scriptCommands }) => total + scriptCommands, 0),
  };
}
