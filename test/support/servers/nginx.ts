import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { freePort } from "./free-port.mjs";
import { launch } from "./launch.mjs";

const NGINX = process.env["NGINX_PATH"] ?? ["/usr/sbin/nginx", "/usr/local/bin/nginx"].find((path) => existsSync(path));

/** Why tests with nginx are skipped on this machine; "" if they run. In CI they always run. */
export const noNginx =
  NGINX || process.env["CI"] ? "" : "skipped: no nginx. To run it: apt-get install nginx, or set NGINX_PATH";

/**
 * Starts nginx with these server blocks, and stops it when the test ends.
 *
 * @param servers gets a free port to listen on and a folder for files
 */
export async function startNginx(servers: (port: number, folder: string) => string | Promise<string>) {
  const folder = await mkdtemp(join(tmpdir(), "portal-auth-nginx-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const port = await freePort();
  const folders = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
    .map((name) => `${name}_temp_path ${join(folder, name)};`)
    .join(" ");
  const settings = `daemon off; pid ${join(folder, "pid")}; error_log stderr notice; events {}`;
  const http = `http { access_log off; ${folders}\n${await servers(port, folder)}\n}`;
  await writeFile(join(folder, "nginx.conf"), `${settings}\n${http}`);
  const nginx = await launch(NGINX ?? "nginx", ["-c", join(folder, "nginx.conf"), "-p", folder], {
    ready: /start worker process(es)?\n|start worker process \d+/,
    end: (pid: number) => void process.kill(pid, "SIGTERM"),
  });
  onTestFinished(async () => {
    if (nginx.runs()) process.kill(nginx.pid as number, "SIGTERM");
    await nginx.exited;
  });
  return { url: `http://127.0.0.1:${port}`, port, folder };
}
