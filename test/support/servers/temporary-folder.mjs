import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { endsWithUs } from "./ends-with-us.mjs";

const RETRY_MS = 20;
const MAX_RETRIES = 100;

/** Creates a folder that is removed with remove(), or when this process ends. */
export function temporaryFolder(name) {
  const path = mkdtempSync(join(tmpdir(), `portal-auth-${name}-`));
  const cancel = endsWithUs(() => removeNow(path));
  return {
    path,
    remove() {
      removeNow(path);
      cancel();
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
 * Removes a folder when this process ends. It cannot wait for the server, which may still write and remove
 * files. In that case Node 20 throws, and Node 24 stops silently, so it is tried again.
 */
function removeNow(path) {
  for (let retries = 0; existsSync(path) && retries < MAX_RETRIES; retries += 1) {
    if (retries > 0) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, RETRY_MS);
    try {
      rmSync(path, { recursive: true, force: true });
    } catch {}
  }
}
