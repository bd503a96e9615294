// Starts the example: with the demo portal, or, as soon as one PORTAL_ variable is set, with a portal of your own.

import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import { PortalAuthError } from "express-portal-auth";
import { createApp } from "./app.js";
import { demoOptions, startDemoPortal } from "./demo-portal.js";

/** Something that whoever starts the example can put right: told without a stack. */
class Advice extends Error {}

interface Opening {
  readonly variable: string;
  readonly port: number;
  readonly opened: Promise<{ close(): unknown }>;
}

/** What has been opened, to be closed whatever happens. */
const open: { close(): unknown }[] = [];

/** Gives the address to visit. */
async function start(): Promise<string> {
  const port = readPort("PORT", 3000);
  const wantsOwnPortal = Object.entries(process.env).some(([name, value]) => name.startsWith("PORTAL_") && value);
  if (wantsOwnPortal) {
    const app = createApp(); // everything from the environment
    await openAll([{ variable: "PORT", port, opened: listen(port, app) }]);
    return new URL("/", process.env["PORTAL_REDIRECT_URI"]).href; // where people come in, perhaps through a proxy
  }

  const portalPort = readPort("DEMO_PORTAL_PORT", 3001);
  if (port === portalPort) throw new Advice("PORT and DEMO_PORTAL_PORT must be two different ports.");
  const options = demoOptions({ app: port, portal: portalPort });
  const app = createApp(options);
  await openAll([
    { variable: "PORT", port, opened: listen(port, app) },
    { variable: "DEMO_PORTAL_PORT", port: portalPort, opened: startDemoPortal(options) },
  ]);
  return new URL("/", options.redirectUri).href;
}

async function listen(port: number, app: RequestListener): Promise<{ close(): void }> {
  const server = createServer(app);
  await once(server.listen(port, "127.0.0.1"), "listening");
  const close = () => {
    server.close();
    server.closeAllConnections();
  };
  return { close };
}

/** Waits for all of them before it complains, so that one line names every port that is taken. */
async function openAll(openings: readonly Opening[]): Promise<void> {
  const outcomes = await Promise.allSettled(openings.map(({ opened }) => opened));
  for (const outcome of outcomes) if (outcome.status === "fulfilled") open.push(outcome.value);
  const failures = outcomes.flatMap((outcome, index) => {
    const opening = openings[index];
    return opening && outcome.status === "rejected" ? [{ ...opening, error: outcome.reason }] : [];
  });
  if (failures.length === 0) return;

  const stranger = failures.find(({ error }) => error.code !== "EADDRINUSE" && error.code !== "EACCES");
  if (stranger) throw stranger.error;
  const troubles = failures.map(({ port, error }) =>
    error.code === "EACCES" ? `Port ${port} needs more rights.` : `Port ${port} is in use.`,
  );
  const others = failures.map(({ variable, port }) => `${variable}=${port < 60_000 ? port + 1000 : port - 1000}`);
  throw new Advice(`${troubles.join(" ")} Choose another: ${others.join(" ")} npm start`);
}

function readPort(variable: string, usual: number): number {
  const port = Number(process.env[variable] || usual);
  if (Number.isInteger(port) && port >= 1 && port <= 65_535) return port;
  throw new Advice(`${variable} must be a number from 1 to 65535.`);
}

async function closeAll(): Promise<void> {
  await Promise.all(open.splice(0).map((one) => one.close()));
}

process.once("SIGINT", closeAll);
process.once("SIGTERM", closeAll);

try {
  const address = await start();
  console.log(`\n  Open ${address}\n\n  Ctrl+C stops it.\n`);
} catch (error) {
  await closeAll();
  const canBePutRight =
    error instanceof Advice || (error instanceof PortalAuthError && error.code === "options_invalid");
  console.error(canBePutRight ? `\n  ${error.message}\n` : error);
  process.exitCode = 1;
}
