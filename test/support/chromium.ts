import { existsSync } from "node:fs";
import { type Browser, chromium } from "playwright-core";

const WHERE = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
const executablePath = process.env["CHROMIUM_PATH"] ?? WHERE.find((path) => existsSync(path));

/** Why tests in a real browser are left out on this machine, and how to run them; "" where they run. In CI they must. */
export const noChromium =
  executablePath || process.env["CI"]
    ? ""
    : "skipped: no Chromium. To run it: apt-get install chromium, or set CHROMIUM_PATH";

/** Headless, without the traffic that a browser has of its own. */
export function launchChromium(): Promise<Browser> {
  const quiet = [
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
  ];
  const asRoot = process.getuid?.() === 0 ? ["--no-sandbox"] : []; // Chromium's sandbox refuses to run for root
  return chromium.launch({
    executablePath: executablePath ?? "chromium",
    args: [...quiet, ...asRoot, "--disable-gpu", "--disable-quic"],
  });
}
