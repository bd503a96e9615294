import { describe, expect, test } from "vitest";
import { Browser, type RequestOptions } from "../support/browser.js";
import { noNginx, startNginx } from "../support/nginx.js";
import { freePort } from "../support/servers/free-port.mjs";
import { startWorld } from "../support/world.js";

const LINE = /A login begins at the host/;

/** Starts an app with this redirect URI. */
async function start(redirectUri = "https://app.example/callback") {
  const tlsTerminated = redirectUri.startsWith("https:");
  const world = await startWorld({ options: { redirectUri, tlsTerminated }, log: [LINE] });
  const ask = (headers: RequestOptions["headers"] = {}, path = "/login") =>
    new Browser().navigate(world.url + path, { headers });
  return { ...world, ask, lines: () => world.log.filter((line) => LINE.test(line)) };
}

describe("a login that begins at another host than that of redirectUri", () => {
  test("gets one line in the log, at the login route and at a guard", async () => {
    const { ask, lines } = await start();
    await ask({ host: "www.app.example" }, "/account");
    expect(lines()).toEqual([
      expect.stringMatching(/host www\.app\.example, but PORTAL_REDIRECT_URI .* has app\.example\./),
    ]);
    expect(lines()[0]).toContain("Redirect www.app.example to app.example before portalAuth()");
    await ask({ host: "WWW.app.example:8080" });
    expect(lines()).toHaveLength(1);
    await ask({ host: "shop.example" });
    expect(lines()).toHaveLength(2);
  });

  test("gets a line that mentions a replaced Host, unless X-Forwarded-Host is set", async () => {
    const { ask, lines } = await start();
    await ask({ host: "one.example" });
    await ask({ host: "127.0.0.1:3000", "x-forwarded-host": "two.example, inner.example" });
    expect(lines()).toEqual([
      expect.stringContaining("If a proxy has replaced the header Host"),
      expect.stringMatching(/host two\.example, .* Therefore the browser keeps/),
    ]);
    expect(lines()[1]).not.toContain("a proxy");
  });

  test("gets a line in development, because localhost is not 127.0.0.1", async () => {
    const { ask, lines } = await start("http://localhost:3000/callback");
    await ask({ host: "127.0.0.1:3000", "x-forwarded-for": "127.0.0.1" });
    expect(lines()).toEqual([expect.stringContaining("has localhost.")]);
  });

  test("gets at most ten log entries, each in one line", async () => {
    const { ask, lines } = await start();
    for (const text of [
      "\u0085evil.example",
      "a b",
      `${"a".repeat(400)}.example`,
      "[::1",
      "%0aline",
      "[",
      "#",
      "@",
    ])
      await ask({ host: "app.example", "x-forwarded-host": text });
    for (let host = 0; host < 20; host += 1) await ask({ host: `${host}.example` });
    expect(lines()).toHaveLength(10);
    for (const line of lines()) expect(line).toMatch(/^[\x20-\x7e]+$/);
  });
});

describe("no line about the host is written", () => {
  test.each([
    ["at the host itself", { host: "app.example" }],
    ["at another port, whose cookies are the same", { host: "app.example:8080" }],
    ["for another spelling", { host: "APP.example" }],
    ["if the proxy forwards the host", { host: "10.0.0.7:3000", "x-forwarded-host": "app.example" }],
    ["for an address behind a load balancer that adds nothing", { host: "10.0.0.7:3000" }],
    ["for a name in a container network", { host: "app:3000", "x-forwarded-proto": "http" }],
    ["for an invalid Host", { host: "a b" }],
  ])("%s", async (_what, headers) => {
    const { ask, lines } = await start();
    await ask(headers);
    expect(lines()).toEqual([]);
  });

  test("for the name of a container behind a proxy in development", async () => {
    const { ask, lines } = await start("http://localhost:3000/callback");
    await ask({ host: "app:3000", "x-forwarded-for": "172.18.0.1" });
    expect(lines()).toEqual([]);
    await ask({ host: "app:3000" });
    expect(lines()).toHaveLength(1);
  });

  test.skipIf(noNginx)(`behind nginx with its default Host${noNginx && ` (${noNginx})`}`, async () => {
    const { url, lines } = await start();
    const port = await freePort();
    const servers = ["", "proxy_set_header Host $host;"].map(
      (host, at) =>
        `server { listen 127.0.0.1:${port}; server_name s${at}.example; ` +
        `location / { proxy_pass ${url}; ${host} } }`,
    );
    await startNginx(servers.join("\n"));
    const ask = (host: string) =>
      new Browser().navigate(`http://127.0.0.1:${port}/login`, { headers: { host } });
    await ask("s0.example");
    expect(lines()).toEqual([]);
    await ask("s1.example");
    expect(lines()).toEqual([expect.stringContaining("host s1.example, ")]);
  });
});
