import { once } from "node:events";
import { createServer } from "node:http";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { loadProvider } from "./load-provider.mjs";
import { requestFromRunner } from "./serve.mjs";
import { createFingerprint, getExpiry } from "./tokens.mjs";

/** `oneWayMs` delays each request to the token endpoint, and each response. */
const { from, oneWayMs, ...options } = await requestFromRunner({ loaded: true });
const { start } = await loadProvider(from);
const provider = await start(options);

/** All token requests in the order of their arrival. */
const ledger = [];

/** The token endpoint in the discovery document. It records each request and its result. */
const recorder = createServer(async (req, res) => {
  try {
    const form = await text(req);
    const entry = {
      processName: req.headers["x-process"],
      at: Date.now(),
      presented: createFingerprint(new URLSearchParams(form).get("refresh_token")),
    };
    ledger.push(entry);
    await sleep(oneWayMs);
    const { status, body } = await forward(req.headers["content-type"], form);
    Object.assign(entry, { status, respondedAt: Date.now() }, status === 200 ? readTokens(body) : { body });
    await sleep(oneWayMs);
    res.writeHead(status, { "content-type": "application/json", "cache-control": "no-store" }).end(body);
  } catch {
    res.destroy(); // the process was killed during its request
  }
});
recorder.keepAliveTimeout = 0;
recorder.listen(0, "127.0.0.1");
await once(recorder, "listening");
provider.alterDiscovery((document) => {
  document.token_endpoint = `http://127.0.0.1:${recorder.address().port}/oauth2/token`;
});

process.on("message", () => {
  const { user, system } = process.cpuUsage();
  process.send({ entries: ledger, cpuMicroseconds: user + system, memoryBytes: process.memoryUsage.rss() });
});
process.send({ issuer: provider.issuer });

async function forward(type, form) {
  const headers = { "content-type": type };
  const response = await fetch(`${provider.issuer}/oauth2/token`, { method: "POST", headers, body: form });
  return { status: response.status, body: await response.text() };
}

function readTokens(body) {
  const { access_token, refresh_token } = JSON.parse(body);
  return { issued: createFingerprint(refresh_token), expiresAt: getExpiry(access_token) };
}
