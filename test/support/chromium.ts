import { existsSync } from "node:fs";
import { type Browser, chromium } from "playwright-core";

const WHERE = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
const executablePath = process.env["CHROMIUM_PATH"] ?? WHERE.find((path) => existsSync(path));

/**
 * Why tests in a real browser are skipped on this machine, and how to run them. "" if they run. In CI they
 * must run.
 */
export const noChromium =
  executablePath || process.env["CI"]
    ? ""
    : "skipped: no Chromium. To run it: apt-get install chromium, or set CHROMIUM_PATH";

/** Starts Chromium without a window and without requests of its own. */
export function launchChromium(): Promise<Browser> {
  const quiet = [
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
  ];
  const asRoot = process.getuid?.() === 0 ? ["--no-sandbox"] : []; // Chromium's sandbox does not run as root
  return chromium.launch({
    executablePath: executablePath ?? "chromium",
    args: [...quiet, ...asRoot, "--disable-gpu", "--disable-quic"],
  });
}
