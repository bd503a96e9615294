import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { endsWithUs } from "./ends-with-us.mjs";

const RETRY_MS = 20;
const MOST_RETRIES = 100;

/** A folder that is gone after remove(), or with this process. */
export function temporaryFolder(name) {
  const path = mkdtempSync(join(tmpdir(), `portal-auth-${name}-`));
  const forget = endsWithUs(() => removeNow(path));
  return {
    path,
    remove() {
      removeNow(path);
      forget();
    },
  };
}

/** Starts a server in a temporary folder, which is removed when the server is stopped or does not start. */
export async function startInFolder(name, start) {
  const folder = temporaryFolder(name);
  try {
    const server = await start(folder.path);
    return {
      ...server,
      async stop() {
        await server.stop();
        folder.remove();
      },
    };
  } catch (error) {
    folder.remove();
    throw error;
  }
}

/**
 * When this process ends it cannot await the end of a server, which meanwhile still writes and removes. Node 20 throws
 * when it comes upon that; Node 24 stops without a word.
 */
function removeNow(path) {
  for (let retries = 0; existsSync(path) && retries < MOST_RETRIES; retries += 1) {
    if (retries > 0) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, RETRY_MS);
    try {
      rmSync(path, { recursive: true, force: true });
    } catch {}
  }
}
