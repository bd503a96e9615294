import { once } from "node:events";
import { connect } from "node:net";
import { findRedis } from "./find.mjs";
import { onFreePort } from "./free-port.mjs";
import { launch } from "./launch.mjs";
import { temporaryFolder } from "./temporary-folder.mjs";

const program = findRedis();

export const noRedis =
  program || process.env["CI"]
    ? ""
    : "skipped: no Redis. To run it: apt-get install redis-server, or set REDIS_SERVER_PATH";

export async function startRedis({ keep = false, settings = {} } = {}) {
  const folder = temporaryFolder("redis");
  let server;
  const run = async (port) => {
    server = await launchRedis(port, folder.path, keep, settings);
    await expectPong(port);
    return port;
  };
  const signal = (name) => void (server?.runs() && process.kill(server.pid, name));
  const kill = async () => server?.stop();
  const stop = async () => {
    await kill();
    folder.remove();
  };

  try {
    const port = await onFreePort(run);
    return {
      url: `redis://127.0.0.1:${port}`,
      port,
      folder: folder.path,
      get pid() {
        return server.runs() ? server.pid : undefined;
      },
      pause: () => signal("SIGSTOP"),
      resume: () => signal("SIGCONT"),
      kill,
      async restart() {
        await kill();
        await run(port);
      },
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

function launchRedis(port, folder, keep, settings) {
  const all = {
    port,
    bind: "127.0.0.1",
    dir: folder,
    save: "",
    appendonly: keep ? "yes" : "no",
    appendfsync: "always", // A confirmed write survives a kill.
    ...settings,
  };
  const args = Object.entries(all).flatMap(([name, value]) => [`--${name}`, ...String(value).split(" ")]);
  const end = (pid) => process.kill(pid, "SIGKILL");
  return launch(program ?? "redis-server", args, { ready: /Ready to accept connections/, end });
}

/** Sends a PING without a client library, because tests examine the client libraries. */
async function expectPong(port) {
  const socket = connect(port, "127.0.0.1");
  socket.write("PING\r\n");
  const [response] = await once(socket, "data");
  socket.destroy();
  if (String(response) !== "+PONG\r\n") throw new Error(`Redis responded to a PING with ${response}`);
}
