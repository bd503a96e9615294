import { lookup } from "node:dns/promises";
import { hostname } from "node:os";
import { describe, expect, test } from "vitest";
import { isInternalUrl } from "../../lib/http/internal-url.js";
import { diagnose, type PortalAuthOptions } from "../../lib/index.js";
import { toServerUrl } from "../../lib/provider/server-url.js";
import type { LocalProvider } from "../../lib/testing/provider/local-provider.js";
import { logIn } from "../access/signed-in-request.js";
import { type Forwarder, startForwarder } from "../support/forwarder.js";
import { CLIENT_ID, CLIENT_SECRET, SESSION_SECRET, startWorld, type WorldOptions } from "../support/world.js";

const WELL_KNOWN = "/.well-known/openid-configuration";

const diagnoseProvider = (options: PortalAuthOptions) =>
  diagnose(
    { clientId: CLIENT_ID, clientSecret: CLIENT_SECRET, secret: SESSION_SECRET, ...options },
    { env: {}, skip: ["store", "redirect", "cookies"] },
  );

describe("the option discoveryUrl", () => {
  const start = (documentIssuer: string, worldOptions: WorldOptions = {}) =>
    startWorld({
      ...worldOptions,
      provider: { document: "full", issuerSuffix: "/realms/a" },
      options: { profile: "openid" },
      optionsFor: ({ issuer }) => ({
        issuer: issuer + documentIssuer,
        discoveryUrl: `${issuer}/policy/signin${WELL_KNOWN}`,
      }),
    });

  test("names the URL of the document, and the login works", async () => {
    const { browser, url, provider } = await start("/realms/a");
    expect((await browser.visit(`${url}/account`)).status).toBe(200);
    const paths = provider.requests.map(({ path }) => path).filter((path) => path.endsWith(WELL_KNOWN));
    expect(paths).toEqual([`/policy/signin${WELL_KNOWN}`]);
  });

  test("does not change which issuer the document must have", async () => {
    const { browser, url } = await start("/realms/b", { log: [/issuer_mismatch/] });
    expect((await browser.navigate(`${url}/login`)).body).toContain("issuer_mismatch");
  });
});

const byHand = ({ issuer }: LocalProvider): PortalAuthOptions => ({
  authorizationUrl: `${issuer}/oauth2/authorize`,
  tokenUrl: `${issuer}/oauth2/token`,
  jwksUrl: `${issuer}/oauth2/jwks`,
});

describe("endpoints from options", () => {
  test("need no discovery document: login, refresh, userinfo, revocation and logout work", async () => {
    const world = await logIn({
      provider: { document: "full" },
      options: { profile: "openid" },
      optionsFor: (provider) => ({
        ...byHand(provider),
        userinfoUrl: `${provider.issuer}/userinfo`,
        revocationUrl: `${provider.issuer}/oauth2/revoke`,
        logoutUrl: `${provider.issuer}/logout`,
      }),
    });
    const { browser, url, provider, asked } = world;
    world.later(300);
    expect((await world.inRequest((req) => req.portal.userinfo())).sub).toBe("amara-okafor");
    expect(world.refreshes()).toHaveLength(1);
    const out = await browser.navigate(`${url}/logout`, { site: "same-origin" });
    expect(out.headers.location).toContain(`${provider.issuer}/logout?`);
    expect(out.headers.location).toContain("post_logout_redirect_uri=");
    expect([asked("/oauth2/revoke").length, asked(WELL_KNOWN).length]).toEqual([1, 0]);
  });

  test("are completed by the endpoints and parameters of the profile", async () => {
    const { browser, url, provider, asked } = await startWorld({ optionsFor: byHand });
    await browser.visit(`${url}/account`);
    const out = await browser.navigate(`${url}/logout`, { site: "same-origin" });
    expect(out.headers.location).toContain(`${provider.issuer}/logout?`);
    expect(out.headers.location).toContain("logout_redirect_uri=");
    expect(asked(WELL_KNOWN)).toEqual([]);
  });

  test("require that the iss of tokens is exactly PORTAL_ISSUER", async () => {
    const { browser, url } = await startWorld({
      optionsFor: (provider) => ({ ...byHand(provider), issuer: `${provider.issuer}/` }),
      log: [/id_token_invalid.*claim iss: received/],
    });
    expect((await browser.visit(`${url}/account`)).status).toBe(400);
  });

  test("override the discovery document, if only some are set", async () => {
    const { browser, url, provider, asked } = await startWorld({
      optionsFor: ({ issuer }) => ({ authorizationUrl: `${issuer}/oauth2/authorize?kc_idp_hint=github` }),
    });
    const { location = "" } = (await browser.navigate(`${url}/login`)).headers;
    expect(location.startsWith(`${provider.issuer}/oauth2/authorize?kc_idp_hint=github&`)).toBe(true);
    expect(asked(WELL_KNOWN)).toHaveLength(1);
  });

  test("are checked by the doctor", async () => {
    const { provider, url } = await startWorld();
    const { checks } = await diagnoseProvider({
      issuer: provider.issuer,
      redirectUri: `${url}/callback`,
      ...byHand(provider),
    });
    const verdicts = Object.fromEntries(checks.map(({ id, verdict }) => [id, verdict]));
    expect(verdicts).toMatchObject({
      "portal.issuer": "ok",
      "portal.keys": "ok",
      "portal.clock": "ok",
      "credentials.token": "ok",
    });
    expect(provider.requests.filter(({ path }) => path === WELL_KNOWN)).toEqual([]);
  });
});

/** A name of this machine that does not look like loopback, as `keycloak` in a container network. */
const INTERNAL_HOST = hostname().split(".")[0] ?? "";
const isKnown = await lookup(INTERNAL_HOST).then(
  () => true,
  () => false,
);

const getUrl = ({ port }: Forwarder, path = "") => `http://${INTERNAL_HOST}:${port}${path}`;

describe.skipIf(!isKnown)("the option internalUrl", () => {
  /**
   * The URL of the forwarder is an option. The URL of the provider is known later, so `target` is set then.
   */
  async function start<W>(
    startWith: (options: WorldOptions) => Promise<W>,
    worldOptions: WorldOptions = {},
    prefix = "",
  ) {
    let target = "";
    const forwarder = await startForwarder(() => target, prefix);
    const world = await startWith({
      ...worldOptions,
      provider: { document: "full" },
      options: { profile: "openid" },
      optionsFor: ({ issuer }) => {
        target = issuer;
        return { internalUrl: getUrl(forwarder, prefix) };
      },
    });
    return { ...world, forwarder };
  }
  const startWorldWithForwarder = (options?: WorldOptions) => start(startWorld, options);

  test.each(["", "/idp"])(
    "with the prefix %j gets all requests of the server, and no browser request goes there",
    async (prefix) => {
      const world = await start(logIn, {}, prefix);
      const { browser, url, provider, forwarder } = world;
      world.later(300);
      await world.inRequest((req) => req.portal.userinfo());
      const out = await browser.navigate(`${url}/logout`, { site: "same-origin" });
      expect(out.headers.location).toContain(`${provider.issuer}/logout?`);
      const expected = [WELL_KNOWN, "/oauth2/token", "/oauth2/jwks", "/userinfo", "/oauth2/revoke"];
      expect(new Set(forwarder.paths)).toEqual(new Set(expected.map((path) => prefix + path)));
      const direct = provider.requests.filter(({ headers }) => headers["x-inside"] === undefined);
      expect(direct.filter(({ path }) => expected.includes(path))).toEqual([]);
      expect(browser.answers.filter((answer) => answer.url.includes(`//${INTERNAL_HOST}`))).toEqual([]);
    },
  );

  test("may be in the document (Keycloak with a dynamic back channel)", async () => {
    const { browser, url, provider, forwarder } = await startWorldWithForwarder();
    provider.alterDiscovery((document) => ({
      ...document,
      token_endpoint: getUrl(forwarder, "/oauth2/token"),
      jwks_uri: getUrl(forwarder, "/oauth2/jwks"),
    }));
    expect((await browser.visit(`${url}/account`)).status).toBe(200);
    expect(forwarder.paths).toContain("/oauth2/token");
  });

  test.each([
    ["authorization_endpoint", "/oauth2/authorize"],
    ["end_session_endpoint", "/logout"],
  ])("is rejected as a URL for browsers (%s)", async (name, path) => {
    const { browser, url, provider, forwarder, log } = await startWorldWithForwarder({
      log: [/discovery_invalid/],
    });
    provider.alterDiscovery((document) => ({ ...document, [name]: getUrl(forwarder, path) }));
    expect((await browser.navigate(`${url}/login`)).status).toBe(502);
    expect(log.join()).toContain(`[${name}: browsers do not reach PORTAL_INTERNAL_URL: configure`);
  });

  test.each(["http://elsewhere/token", "http://10.0.0.1/token"])(
    "does not allow http at another host (%s)",
    async (token_endpoint) => {
      const { browser, url, provider } = await startWorldWithForwarder({ log: [/discovery_invalid/] });
      provider.alterDiscovery((document) => ({ ...document, token_endpoint }));
      expect((await browser.navigate(`${url}/login`)).status).toBe(502);
    },
  );

  test("is checked by the doctor, which warns that requests are not encrypted", async () => {
    const { provider, url, forwarder } = await startWorldWithForwarder();
    const internalUrl = getUrl(forwarder);
    const { checks } = await diagnoseProvider({
      issuer: provider.issuer,
      redirectUri: `${url}/callback`,
      internalUrl,
    });
    expect(checks.find(({ id }) => id === "portal.internal")).toMatchObject({
      verdict: "warning",
      found: internalUrl,
    });
    expect(checks.find(({ id }) => id === "portal.connection")?.title).toContain(
      `${INTERNAL_HOST}:${forwarder.port}`,
    );
    expect(checks.find(({ id }) => id === "credentials.token")).toMatchObject({ verdict: "ok" });
    expect(checks.find(({ id }) => id === "credentials.authorize")).toMatchObject({ verdict: "ok" });
    expect(provider.requests.filter(({ headers }) => !headers["x-inside"])).toEqual([]);
  });
});

test.each([
  ["http://keycloak:8080", true],
  ["http://keycloak:8080/auth", true],
  ["http://keycloak.auth.svc:8080", true],
  ["http://keycloak.auth.svc.cluster.local", true],
  ["http://host.docker.internal:8080", true],
  ["http://10.1.2.3", true],
  ["http://172.16.0.1", true],
  ["http://172.31.255.255", true],
  ["http://192.168.0.1:8080", true],
  ["http://[fd12:3456::1]:8080", true],
  ["http://127.0.0.1:4000", true],
  ["https://id.example", true],
  ["http://id.example", false],
  ["http://8.8.8.8", false],
  ["http://134744072", false],
  ["http://172.32.0.1", false],
  ["http://192.169.0.1", false],
  ["http://10.0.0.1.evil.example", false],
  ["http://[2001:db8::1]", false],
  ["http://keycloak.internal.evil.example", false],
  ["http://internal.example", false],
  ["http://name:word@keycloak", false],
  ["http:/keycloak", false],
  ["http://keycloak?x=1", false],
  ["http://keycloak#x", false],
  ["ftp://keycloak", false],
  ["keycloak:8080", false],
  ["", false],
])("secrets may be sent to the internal URL %s: %s", (url, isAllowed) => {
  expect(isInternalUrl(url)).toBe(isAllowed);
});

test.each([
  ["https://id.example/realms/a/token?x=1", "http://keycloak:8080/auth/realms/a/token?x=1"],
  ["https://id.example", "http://keycloak:8080/auth/"],
  ["https://id.example:8443/token", "https://id.example:8443/token"],
  ["https://other.example/token", "https://other.example/token"],
  ["http://keycloak:8080/auth/token", "http://keycloak:8080/auth/token"],
  ["not a URL", "not a URL"],
])("%s is requested at %s", (url, requested) => {
  const options = {
    issuer: "https://id.example/realms/a",
    internalUrl: "http://keycloak:8080/auth",
    discoveryUrl: undefined,
  };
  expect(toServerUrl(url, options)).toBe(requested);
  expect(toServerUrl(url, { ...options, internalUrl: undefined })).toBe(url);
});
