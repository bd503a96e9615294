import { once } from "node:events";
import { createServer } from "node:http";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { loadProvider } from "./portal-of.mjs";
import { tell } from "./serve.mjs";
import { endOf, fingerprint } from "./tokens.mjs";

/** `oneWayMs`: how long a request, and its answer, are on the way between an app and the token endpoint. */
const { from, oneWayMs, ...options } = await tell({ loaded: true });
const { start } = await loadProvider(from);
const portal = await start(options);

/** Every request for tokens in the order of their coming. */
const ledger = [];

/** The token endpoint that discovery names: writes down who presents what and what they get for it. */
const counter = createServer(async (req, res) => {
  try {
    const body = await text(req);
    const form = new URLSearchParams(body);
    const entry = {
      by: req.headers["x-process"],
      at: Date.now(),
      presented: fingerprint(form.get("refresh_token")),
    };
    ledger.push(entry);
    await sleep(oneWayMs);
    const { status, said } = await askPortal(req.headers["content-type"], body);
    Object.assign(entry, { status, answeredAt: Date.now() }, status === 200 ? outcome(said) : { said });
    await sleep(oneWayMs);
    res.writeHead(status, { "content-type": "application/json", "cache-control": "no-store" }).end(said);
  } catch {
    res.destroy(); // it was killed in the middle of its request
  }
});
counter.keepAliveTimeout = 0;
counter.listen(0, "127.0.0.1");
await once(counter, "listening");
portal.alterDiscovery((document) => {
  document.token_endpoint = `http://127.0.0.1:${counter.address().port}/oauth2/token`;
});

process.on("message", () => {
  const { user, system } = process.cpuUsage();
  process.send({ entries: ledger, cpuMicroseconds: user + system, memoryBytes: process.memoryUsage.rss() });
});
process.send({ issuer: portal.issuer });

async function askPortal(type, body) {
  const headers = { "content-type": type };
  const answer = await fetch(`${portal.issuer}/oauth2/token`, { method: "POST", headers, body });
  return { status: answer.status, said: await answer.text() };
}

function outcome(said) {
  const { access_token, refresh_token } = JSON.parse(said);
  return { given: fingerprint(refresh_token), endsAt: endOf(access_token) };
}
