// Starts the example: with the demo portal, or, as soon as one PORTAL_ variable is set, with a portal of your own.
// SESSION_STORE_URL and SESSION_SECRET serve both.

import { PortalAuthError } from "express-portal-auth";
import { createApp } from "./app.js";
import { demoOptions, startDemoPortal } from "./demo-portal.js";
import { type Closable, listen, type Opening, openAll } from "./opened.js";
import { sessionPlace } from "./session-place.js";
import { Advice, readNumber, readPort } from "./variables.js";

const A_MINUTE = 60;
const A_DAY = 24 * 60 * 60;

/** What has been opened, to be closed in this order whatever happens: the server first, as its requests need the rest. */
const open: Closable[] = [];

const openInTime = (openings: readonly Opening[]) =>
  openAll(openings, (opened) => void open.unshift(...opened));

interface Started {
  /** The address to visit. */
  readonly address: string;
  readonly inspector: string | undefined;
}

async function start(): Promise<Started> {
  const port = readPort("PORT", 3000);
  const wantsOwnPortal = Object.entries(process.env).some(
    ([name, value]) => name.startsWith("PORTAL_") && value?.trim(),
  );
  if (wantsOwnPortal) {
    const { app, inspectorLink, close } = createApp(); // everything from the environment
    open.push({ close });
    await openInTime([{ variable: "PORT", port, opened: listen(port, app) }]);
    const address = new URL("/", process.env["PORTAL_REDIRECT_URI"]?.trim()).href; // perhaps that of a proxy
    return { address, inspector: inspectorLink(`http://127.0.0.1:${port}`) };
  }

  const portalPort = readPort("DEMO_PORTAL_PORT", 3001);
  if (port === portalPort) throw new Advice("PORT and DEMO_PORTAL_PORT must be two different ports.");
  const tokenSeconds = readNumber("DEMO_TOKEN_SECONDS", A_MINUTE, A_DAY); // short, so that a refresh can be waited for
  const options = demoOptions({ app: port, portal: portalPort });
  const { app, inspectorLink, close } = createApp(options);
  open.push({ close });
  await openInTime([
    { variable: "PORT", port, opened: listen(port, app) },
    { variable: "DEMO_PORTAL_PORT", port: portalPort, opened: startDemoPortal(options, tokenSeconds) },
  ]);
  const address = new URL("/", options.redirectUri).href;
  return { address, inspector: inspectorLink(address) };
}

async function closeAll(): Promise<void> {
  for (const one of open.splice(0)) await one.close();
}

process.once("SIGINT", closeAll);
process.once("SIGTERM", closeAll);

try {
  const { address, inspector } = await start();
  const words = [
    `Open ${address}`,
    inspector && `To see what happens, open ${inspector} (it works once).`,
    await sessionPlace(),
    "Ctrl+C stops it.",
  ].filter((line) => line !== undefined);
  console.log(`\n  ${words.join("\n\n  ")}\n`);
} catch (error) {
  await closeAll();
  const canBePutRight =
    error instanceof Advice || (error instanceof PortalAuthError && error.code === "options_invalid");
  console.error(canBePutRight ? `\n  ${error.message}\n` : error);
  process.exitCode = 1;
}
