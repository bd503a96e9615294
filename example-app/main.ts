// Starts the example: with the demo portal, or, as soon as one PORTAL_ variable is set, with a portal of your own.
// SESSION_STORE_URL and SESSION_SECRET serve both.

import { PortalAuthError } from "express-portal-auth";
import { createApp } from "./app.js";
import { createDemoOptions, startDemoProvider } from "./demo-provider.js";
import { describeSessionStore } from "./describe-session-store.js";
import { type Closable, listen, type Opening, openAll } from "./servers.js";
import { readNumber, readPort, StartError } from "./variables.js";

const MINUTE_SECONDS = 60;
const DAY_SECONDS = 24 * 60 * 60;

/** What has been opened, to be closed in this order whatever happens: the server first, as its requests need the rest. */
const openResources: Closable[] = [];

const openServers = (openings: readonly Opening[]) =>
  openAll(openings, (opened) => void openResources.unshift(...opened));

interface Started {
  /** The address to visit. */
  readonly url: string;
  readonly inspector: string | undefined;
}

async function start(): Promise<Started> {
  const port = readPort("PORT", 3000);
  const hasOwnProvider = Object.entries(process.env).some(
    ([name, value]) => name.startsWith("PORTAL_") && value?.trim(),
  );
  if (hasOwnProvider) {
    const { app, inspectorLink, close } = createApp(); // everything from the environment
    openResources.push({ close });
    await openServers([{ variable: "PORT", port, opened: listen(port, app) }]);
    const address = new URL("/", process.env["PORTAL_REDIRECT_URI"]?.trim()).href; // perhaps that of a proxy
    return { url: address, inspector: inspectorLink(`http://127.0.0.1:${port}`) };
  }

  const providerPort = readPort("DEMO_PORTAL_PORT", 3001);
  if (port === providerPort) throw new StartError("PORT and DEMO_PORTAL_PORT must be two different ports.");
  const tokenSeconds = readNumber("DEMO_TOKEN_SECONDS", MINUTE_SECONDS, DAY_SECONDS); // short, so that a refresh can be waited for
  const options = createDemoOptions({ app: port, provider: providerPort });
  const { app, inspectorLink, close } = createApp(options);
  openResources.push({ close });
  await openServers([
    { variable: "PORT", port, opened: listen(port, app) },
    { variable: "DEMO_PORTAL_PORT", port: providerPort, opened: startDemoProvider(options, tokenSeconds) },
  ]);
  const address = new URL("/", options.redirectUri).href;
  return { url: address, inspector: inspectorLink(address) };
}

async function closeAll(): Promise<void> {
  for (const one of openResources.splice(0)) await one.close();
}

process.once("SIGINT", closeAll);
process.once("SIGTERM", closeAll);

try {
  const { url: address, inspector } = await start();
  const lines = [
    `Open ${address}`,
    inspector && `To see what happens, open ${inspector} (it works once).`,
    await describeSessionStore(),
    "Ctrl+C stops it.",
  ].filter((line) => line !== undefined);
  console.log(`\n  ${lines.join("\n\n  ")}\n`);
} catch (error) {
  await closeAll();
  const isStartError =
    error instanceof StartError || (error instanceof PortalAuthError && error.code === "options_invalid");
  console.error(isStartError ? `\n  ${error.message}\n` : error);
  process.exitCode = 1;
}
