// Starts the example with the demo provider. If a PORTAL_ variable is set, it uses your own provider instead.
// SESSION_STORE_URL and SESSION_SECRET apply to both.

import { PortalAuthError } from "express-portal-auth";
import { createApp } from "./app.js";
import { createDemoOptions, startDemoProvider } from "./demo-provider.js";
import { describeSessionStore } from "./describe-session-store.js";
import { type Closable, listen, type Opening, openAll } from "./servers.js";
import { readNumber, readPort, StartError } from "./variables.js";

const MINUTE_SECONDS = 60;
const DAY_SECONDS = 24 * 60 * 60;

/** Everything that must be closed, in this order: the server first, because its requests need the rest. */
const openResources: Closable[] = [];

const openServers = (openings: readonly Opening[]) =>
  openAll(openings, (opened) => {
    openResources.unshift(...opened);
  });

interface Started {
  /** The URL of the home page. */
  readonly url: string;
  readonly inspectorLink: string | undefined;
}

async function start(): Promise<Started> {
  const port = readPort("PORT", 3000);
  const hasOwnProvider = Object.entries(process.env).some(
    ([name, value]) => name.startsWith("PORTAL_") && value?.trim(),
  );
  if (hasOwnProvider) {
    const { app, getInspectorLink, close } = createApp(); // all options come from the environment
    openResources.push({ close });
    await openServers([{ variable: "PORT", port, opened: listen(port, app) }]);
    const url = new URL("/", process.env["PORTAL_REDIRECT_URI"]?.trim()).href; // can be the URL of a proxy
    return { url, inspectorLink: getInspectorLink(`http://127.0.0.1:${port}`) };
  }

  const providerPort = readPort("DEMO_PORTAL_PORT", 3001);
  if (port === providerPort) throw new StartError("PORT and DEMO_PORTAL_PORT must be two different ports.");
  // The default is short, so that users of the demo see a refresh.
  const tokenSeconds = readNumber("DEMO_TOKEN_SECONDS", MINUTE_SECONDS, DAY_SECONDS);
  const options = createDemoOptions({ app: port, provider: providerPort });
  const { app, getInspectorLink, close } = createApp(options);
  openResources.push({ close });
  await openServers([
    { variable: "PORT", port, opened: listen(port, app) },
    { variable: "DEMO_PORTAL_PORT", port: providerPort, opened: startDemoProvider(options, tokenSeconds) },
  ]);
  const url = new URL("/", options.redirectUri).href;
  return { url, inspectorLink: getInspectorLink(url) };
}

async function closeAll(): Promise<void> {
  for (const resource of openResources.splice(0)) await resource.close();
}

process.once("SIGINT", closeAll);
process.once("SIGTERM", closeAll);

try {
  const { url, inspectorLink } = await start();
  const lines = [
    `Open ${url}`,
    inspectorLink && `To see the events of each login, open ${inspectorLink} (the link works once).`,
    await describeSessionStore(),
    "Press Ctrl+C to stop.",
  ].filter((line) => line !== undefined);
  console.log(`\n  ${lines.join("\n\n  ")}\n`);
} catch (error) {
  await closeAll();
  const isStartError =
    error instanceof StartError || (error instanceof PortalAuthError && error.code === "options_invalid");
  console.error(isStartError ? `\n  ${error.message}\n` : error);
  process.exitCode = 1;
}
