import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { launch } from "./servers/launch.mjs";

const WHERE = ["/usr/sbin/nginx", "/usr/local/bin/nginx"];
const program = process.env["NGINX_PATH"] ?? WHERE.find((path) => existsSync(path));

/**
 * Why tests behind nginx are skipped on this machine, and how to run them. "" where they run. In CI they must
 * run.
 */
export const noNginx =
  program || process.env["CI"]
    ? ""
    : "skipped: no nginx. To run it: apt-get install nginx, or set NGINX_PATH";

/**
 * Starts nginx with these server blocks. It ends with the test.
 *
 * @param servers the configuration, or a function that is given the folder of this nginx and writes its
 *   files there
 */
export async function startNginx(servers: string | ((folder: string) => Promise<string>)): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "portal-auth-nginx-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const written = typeof servers === "string" ? servers : await servers(folder);
  const own = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(
    (name) => `${name}_temp_path ${join(folder, name)};`,
  );
  const head = `daemon off; pid ${join(folder, "pid")}; error_log stderr notice; events {}`;
  await writeFile(
    join(folder, "nginx.conf"),
    `${head}\nhttp { access_log off; ${own.join(" ")}\n${written}\n}`,
  );
  const nginx = await launch(program ?? "nginx", ["-c", join(folder, "nginx.conf"), "-p", folder], {
    ready: /start worker process(es)?\n|start worker process \d+/,
    end: (pid: number) => void process.kill(pid, "SIGTERM"),
  });
  onTestFinished(nginx.stop);
}
