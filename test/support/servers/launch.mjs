import { spawn } from "node:child_process";
import { once } from "node:events";
import { endsWithUs } from "./ends-with-us.mjs";

const MAX_OUTPUT_LENGTH = 20_000;

/**
 * Starts a server and waits until it reports that it is ready. The server has its own process group, so that
 * Ctrl-C in a terminal does not end it before its users. `end` ends it when this process ends.
 */
export async function launch(program, args, { ready, end, ...options }) {
  const child = spawn(program, args, { ...options, detached: true, stdio: ["ignore", "pipe", "pipe"] });
  const runs = () => child.pid !== undefined && child.exitCode === null && child.signalCode === null;
  const cancel = endsWithUs(() => runs() && end(child.pid));
  const exited = once(child, "close").finally(cancel);
  let outputText = "";
  const isReady = new Promise((resolve) => {
    const onOutput = (text) => {
      outputText = (outputText + text).slice(-MAX_OUTPUT_LENGTH);
      if (ready.test(outputText)) resolve(true);
    };
    for (const output of [child.stdout, child.stderr]) output.setEncoding("utf8").on("data", onOutput);
  });
  const stop = async () => {
    if (runs()) end(child.pid);
    await exited;
  };
  if (await Promise.race([isReady, exited.then(() => false)]))
    return { pid: child.pid, runs, exited, stop, output: () => outputText };
  throw new Error(`${program} has ended:\n${outputText}`);
}
