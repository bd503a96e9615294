import { createServer, type RequestListener } from "node:http";
import express, { type Express } from "express";
import session from "express-session";
import express4 from "express4";
import { expect, onTestFinished } from "vitest";
import {
  type LoginContext,
  type PortalAuth,
  type PortalAuthOptions,
  portalAuth,
  requireAuth,
  type TokenSet,
} from "../../lib/index.js";
import {
  type LocalProvider,
  type LocalProviderOptions,
  startLocalProvider,
} from "../../lib/testing/provider/local-provider.js";
import { type Answer, Browser } from "./browser.js";
import { captureLog } from "./captured-log.js";
import { watchRequests } from "./in-flight.js";
import { close, listen } from "./serve.js";

export const CLIENT_ID = "demo-app";
export const CLIENT_SECRET = "the-client-secret-of-the-demo-app";
export const SESSION_SECRET = "0123456789abcdef0123456789abcdef";

/** Returns the options of a portalAuth() that is the client CLIENT_ID of a provider, for an app at a URL. */
export const getClientOptions = ({ provider, url }: { provider: { issuer: string }; url: string }) => ({
  issuer: provider.issuer,
  clientId: CLIENT_ID,
  clientSecret: CLIENT_SECRET,
  redirectUri: `${url}/callback`,
  secret: SESSION_SECRET,
});

export interface WorldOptions {
  express?: 4 | 5;
  /** Whether the app mounts express-session itself. Default false. */
  ownSession?: boolean;
  /** The path prefix that a proxy removes before it forwards a request. Default "". */
  prefix?: string;
  /** The path at which portalAuth is mounted. Default "/". */
  mount?: string;
  provider?: Partial<LocalProviderOptions>;
  options?: PortalAuthOptions;
  /** Options that contain a URL of the provider. */
  optionsFor?: (provider: LocalProvider) => PortalAuthOptions;
  /** Adds to the app before portalAuth. */
  before?: (app: Express) => void;
  /** Adds to the app after portalAuth. */
  after?: (app: Express) => void;
  /** The origin that users see, if there is a proxy in front of the app. Default: the app itself. */
  publicOrigin?: string;
  /** Lines that the test expects in the log. Any other line fails the test. */
  log?: RegExp[];
}

export interface World {
  readonly url: string;
  readonly app: Express;
  /** The router that portalAuth() has created. */
  readonly auth: PortalAuth;
  readonly provider: LocalProvider;
  readonly browser: Browser;
  /** The lines that were logged. */
  readonly log: string[];
  /** Returns what the app knows about the user of this browser. */
  me(
    browser?: Browser,
  ): Promise<{ isAuthenticated: boolean; claims?: Record<string, unknown>; tokens?: TokenSet }>;
  /** Returns the requests that the provider has received at this path. */
  asked(path: string): LocalProvider["requests"];
}

/**
 * Starts an app and a provider on free ports, and creates a browser. They are closed when the test ends. Then
 * no response of the app and no line of the log may contain a secret, and the log may contain no unexpected
 * line.
 */
export async function startWorld(given: WorldOptions = {}): Promise<World> {
  const { mount = "/", prefix = "" } = given;
  const { lines: log, capture } = captureLog();
  let listener: RequestListener = () => {};
  const server = createServer((req, res) => capture(() => listener(req, res)));
  const url = await listen(server);
  const publicUrl = given.publicOrigin ?? url;
  const baseUrl = `${publicUrl}${prefix}${mount === "/" ? "" : mount}`;
  const provider = await startLocalProvider({
    clientId: CLIENT_ID,
    clientSecret: CLIENT_SECRET,
    redirectUris: [`${baseUrl}/callback`],
    logoutRedirectUris: [`${publicUrl}${prefix}/`],
    ...given.provider,
  });
  const requests = watchRequests(new URL(provider.issuer).origin);
  const seenTokens = new Set<string>();
  const { app, auth } = createApp({ ...given, mount }, provider, baseUrl, seenTokens);
  listener = app;

  const browser = new Browser();
  onTestFinished(async () => {
    await requests.untilIdle();
    requests.stop();
    const logOfTest = [...log]; // Without the failures of requests that lose their connection now.
    await Promise.all([provider.close(), close(server)]);
    expectNothingSecret({ url: publicUrl, browser, log, provider, seenTokens });
    expectNoOtherLines(logOfTest, given);
  });

  return {
    url,
    app,
    auth,
    provider,
    browser,
    log,
    async me(userBrowser = browser) {
      return JSON.parse((await userBrowser.fetch(`${baseUrl}/test/me`)).body);
    },
    asked: (path) => provider.requests.filter((request) => request.path === path),
  };
}

/** Creates the app with its routes. It adds each token of a session to `seenTokens`. */
function createApp(
  given: WorldOptions & { mount: string },
  provider: LocalProvider,
  baseUrl: string,
  seenTokens: Set<string>,
): { app: Express; auth: PortalAuth } {
  const app = (given.express === 4 ? express4 : express)();
  if (given.ownSession) {
    const secure = baseUrl.startsWith("https:");
    const cookie = { httpOnly: true, sameSite: "lax", secure } as const;
    app.use(session({ secret: SESSION_SECRET, resave: false, saveUninitialized: false, cookie }));
  }
  given.before?.(app);
  const auth = portalAuth({
    ...getClientOptions({ provider, url: baseUrl }),
    profile: "tencent-ciam",
    ...given.options,
    ...given.optionsFor?.(provider),
  });
  app.use(given.mount, auth);
  const router = given.mount === "/" ? app : express.Router();
  router.use((req, res, next) => {
    res.on("finish", () => addTokens(seenTokens, req.session?.portal?.tokens));
    next();
  });
  router.get("/test/me", async (req, res) => {
    const { isAuthenticated, claims } = req.portal;
    res.json({ isAuthenticated, claims, tokens: await req.portal.tokens() });
  });
  router.get("/account", requireAuth(), (req, res) => {
    res.json({ page: req.originalUrl, sub: req.portal.claims?.sub });
  });
  router.get("/", (_req, res) => void res.send("home"));
  if (router !== app) app.use(given.mount, router);
  given.after?.(app);
  return { app, auth };
}

function expectNoOtherLines(lines: string[], { log = [], publicOrigin }: WorldOptions): void {
  const expected = [/memory of this process/, ...log];
  // Tests also send requests to the app itself, whose host differs from the public one.
  if (publicOrigin !== undefined) expected.push(/A login begins at the host (127\.0\.0\.1|localhost), but /);
  const unexpected = lines.filter((line) => !expected.some((pattern) => pattern.test(line)));
  expect(unexpected, "lines in the log that the test did not expect").toEqual([]);
}

/** Returns an onLogin hook that redirects every user to this path. */
export const leadTo =
  (returnTo: string) =>
  (context: LoginContext): void => {
    context.returnTo = returnTo;
  };

function addTokens(seen: Set<string>, tokens: TokenSet | undefined): void {
  for (const token of [tokens?.access_token, tokens?.refresh_token, tokens?.id_token])
    if (token) seen.add(token);
}

interface Evidence {
  url: string;
  browser: Pick<Browser, "answers">;
  log: string[];
  provider: Pick<LocalProvider, "requests">;
  seenTokens: Set<string>;
}

/**
 * Expects that responses of the app and lines of its log contain no code, code verifier, token, secret or
 * stack. Routes below /test/ are skipped, because they show tokens to tests.
 */
export function expectNothingSecret({ url, browser, log, provider, seenTokens }: Evidence): void {
  const secrets = [...secretsOf(provider, browser.answers, url), ...seenTokens].filter(
    ({ length }) => length > 8,
  );
  const responses = browser.answers
    .filter((response) => response.url.startsWith(url) && !response.url.includes("/test/"))
    .map(({ body, headers }) => removeLogoutHints(body + JSON.stringify(headers)));
  for (const text of [...responses, ...log]) {
    expect(secrets.find((secret) => text.includes(secret))).toBeUndefined();
    expect(text).not.toMatch(/^\s+at .+:\d+:\d+/m); // a stack
  }
}

/**
 * Returns the client secret, the session secret, and all codes, code verifiers and refresh tokens that the
 * app at this URL has sent or received.
 */
export function secretsOf(
  provider: Pick<LocalProvider, "requests">,
  responses: Browser["answers"],
  url: string,
): string[] {
  const forms = provider.requests.map(({ body }) => new URLSearchParams(body));
  const sent = forms.flatMap((form) =>
    ["code", "code_verifier", "refresh_token"].flatMap((name) => form.getAll(name)),
  );
  const basic = provider.requests.flatMap(
    ({ headers }) => /^Basic (.+)$/.exec(headers.authorization ?? "")?.[1] ?? [],
  );
  const codes = responses.filter((response) => !response.url.startsWith(url)).flatMap(codesIn);
  return [CLIENT_SECRET, SESSION_SECRET, ...sent, ...basic, ...codes].filter(({ length }) => length > 8);
}

/** Returns the codes that the provider has sent through the browser, whether or not the app has used them. */
function codesIn({ headers: { location }, body }: Answer): string[] {
  const inUrl = location && URL.canParse(location) ? new URL(location).searchParams.getAll("code") : [];
  const inForm = [...body.matchAll(/name="code" value="([^"]+)"/g)].map(([, code = ""]) => code);
  return [...inUrl, ...inForm];
}

/**
 * Removes the values of id_token_hint. It is the only token that belongs in a URL (RP-Initiated Logout 1.0,
 * section 2). The URL is in a redirect or in a page that leads to the provider.
 */
const removeLogoutHints = (text: string): string => text.replace(/id_token_hint=[\w.-]+/g, "");
