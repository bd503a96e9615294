import { createServer, type RequestListener } from "node:http";
import express, { type Express } from "express";
import session from "express-session";
import express4 from "express4";
import { expect, onTestFinished, vi } from "vitest";
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
import { watchRequests } from "./in-flight.js";
import { close, listen } from "./serve.js";

export const CLIENT_ID = "demo-app";
export const CLIENT_SECRET = "the-client-secret-of-the-demo-app";
export const SESSION_SECRET = "0123456789abcdef0123456789abcdef";

export interface WorldOptions {
  express?: 4 | 5;
  /** Whether the app mounts express-session itself. Default false. */
  ownSession?: boolean;
  /** The path prefix that a proxy removes before it forwards a request. Default "". */
  prefix?: string;
  /** Where portalAuth is mounted. Default "/". */
  mount?: string;
  portal?: Partial<LocalProviderOptions>;
  options?: PortalAuthOptions;
  /** Options that name an address of the provider. */
  optionsFor?: (provider: LocalProvider) => PortalAuthOptions;
  /** More of the app: before portalAuth, or after it. */
  before?: (app: Express) => void;
  after?: (app: Express) => void;
  /** The address under which people reach the app, when something stands in front of it. Default: the app itself. */
  publicOrigin?: string;
  /** Errors that are expected in the log; any other line fails the test. */
  log?: RegExp[];
}

export interface World {
  readonly url: string;
  readonly app: Express;
  /** The router, mounted in it. */
  readonly auth: PortalAuth;
  readonly provider: LocalProvider;
  readonly browser: Browser;
  /** Lines that were logged. */
  readonly log: string[];
  /** What the app knows of the person who uses this browser. */
  me(
    browser?: Browser,
  ): Promise<{ isAuthenticated: boolean; claims?: Record<string, unknown>; tokens?: TokenSet }>;
  /** Requests that the portal got at this path. */
  asked(path: string): LocalProvider["requests"];
}

/**
 * An application, a portal and a browser, all real, on free ports; all closed when the test ends. At the end it is checked
 * that nothing secret stood in any answer of the app or in the log.
 */
export async function startWorld(given: WorldOptions = {}): Promise<World> {
  const { mount = "/", prefix = "", before, after } = given;
  const log = captureLog();
  let listener: RequestListener = () => {};
  const server = createServer((req, res) => listener(req, res));
  const url = await listen(server);
  const publicUrl = given.publicOrigin ?? url;
  const base = mount === "/" ? "" : mount;
  const redirectUri = `${publicUrl}${prefix}${base}/callback`;
  const provider = await startLocalProvider({
    clientId: CLIENT_ID,
    clientSecret: CLIENT_SECRET,
    redirectUris: [redirectUri],
    logoutRedirectUris: [`${publicUrl}${prefix}/`],
    ...given.portal,
  });

  const toPortal = watchRequests(new URL(provider.issuer).origin);

  const app = (given.express === 4 ? express4 : express)();
  const seenTokens = new Set<string>();
  if (given.ownSession) {
    const cookie = { httpOnly: true, sameSite: "lax", secure: publicUrl.startsWith("https:") } as const;
    app.use(session({ secret: SESSION_SECRET, resave: false, saveUninitialized: false, cookie }));
  }
  before?.(app);
  const auth = portalAuth({
    issuer: provider.issuer,
    profile: "tencent-ciam",
    clientId: CLIENT_ID,
    clientSecret: CLIENT_SECRET,
    redirectUri,
    secret: SESSION_SECRET,
    ...given.options,
    ...given.optionsFor?.(provider),
  });
  app.use(mount, auth);
  const below = mount === "/" ? app : express.Router();
  below.use((req, res, next) => {
    res.on("finish", () => remember(seenTokens, req.session?.portal?.tokens));
    next();
  });
  below.get("/test/me", async (req, res) => {
    const { isAuthenticated, claims } = req.portal;
    res.json({ isAuthenticated, claims, tokens: await req.portal.tokens() });
  });
  below.get("/account", requireAuth(), (req, res) => {
    res.json({ page: req.originalUrl, sub: req.portal.claims?.sub });
  });
  below.get("/", (_req, res) => void res.send("home"));
  if (below !== app) app.use(mount, below);
  after?.(app);
  listener = app;

  const browser = new Browser();
  onTestFinished(async () => {
    await toPortal.untilAnswered();
    toPortal.stop();
    await Promise.all([provider.close(), close(server)]);
    expectNothingSecret({ url: publicUrl, browser, log, portal: provider, seenTokens });
    const expected = [/memory of this process/, ...(given.log ?? [])];
    // Tests ask the app itself as well, which has another host than the public address.
    if (given.publicOrigin !== undefined)
      expected.push(/A login begins at the host (127\.0\.0\.1|localhost), but /);
    const surprising = log.filter((line) => !expected.some((pattern) => pattern.test(line)));
    expect(surprising, "lines in the log that the test did not expect").toEqual([]);
  });

  return {
    url,
    app,
    auth,
    provider,
    browser,
    log,
    async me(who = browser) {
      return JSON.parse((await who.fetch(`${publicUrl}${prefix}${base}/test/me`)).body);
    },
    asked: (path) => provider.requests.filter((request) => request.path === path),
  };
}

/** An onLogin hook that sends everybody to the same place. */
export const leadTo =
  (returnTo: string) =>
  (context: LoginContext): void => {
    context.returnTo = returnTo;
  };

function captureLog(): string[] {
  const lines: string[] = [];
  for (const level of ["log", "warn", "error"] as const)
    vi.spyOn(console, level).mockImplementation(
      (...words: unknown[]) => void lines.push(words.map(String).join(" ")),
    );
  return lines;
}

function remember(seen: Set<string>, tokens: TokenSet | undefined): void {
  for (const token of [tokens?.access_token, tokens?.refresh_token, tokens?.id_token])
    if (token) seen.add(token);
}

interface Evidence {
  url: string;
  browser: Pick<Browser, "answers">;
  log: string[];
  portal: Pick<LocalProvider, "requests">;
  seenTokens: Set<string>;
}

/** Whatever a test is about (and leaving aside the routes below /test/, which show tokens so that tests can look at them): no code, verifier, token or secret in an answer of the app, or in its log. */
export function expectNothingSecret({ url, browser, log, portal: provider, seenTokens }: Evidence): void {
  const secrets = [...secretsOf(provider, browser.answers, url), ...seenTokens].filter(
    ({ length }) => length > 8,
  );
  const answers = browser.answers
    .filter((answer) => answer.url.startsWith(url) && !answer.url.includes("/test/"))
    .map(({ body, headers }) => logoutHintLeftOut(body + JSON.stringify(headers)));
  for (const text of [...answers, ...log]) {
    expect(secrets.find((secret) => text.includes(secret))).toBeUndefined();
    expect(text).not.toMatch(/^\s+at .+:\d+:\d+/m); // a stack
  }
}

/** Secrets, codes, verifiers and refresh tokens: what the app at this address was given to keep, and what it has sent. */
export function secretsOf(
  provider: Pick<LocalProvider, "requests">,
  answers: Browser["answers"],
  url: string,
): string[] {
  const forms = provider.requests.map(({ body }) => new URLSearchParams(body));
  const sent = forms.flatMap((form) =>
    ["code", "code_verifier", "refresh_token"].flatMap((name) => form.getAll(name)),
  );
  const basic = provider.requests.flatMap(
    ({ headers }) => /^Basic (.+)$/.exec(headers.authorization ?? "")?.[1] ?? [],
  );
  const codes = answers.filter((answer) => !answer.url.startsWith(url)).flatMap(codesIn);
  return [CLIENT_SECRET, SESSION_SECRET, ...sent, ...basic, ...codes].filter(({ length }) => length > 8);
}

/** What the portal has sent through the browser, whether or not the app has ever used it. */
function codesIn({ headers: { location }, body }: Answer): string[] {
  const inAddress = location && URL.canParse(location) ? new URL(location).searchParams.getAll("code") : [];
  return [...inAddress, ...[...body.matchAll(/name="code" value="([^"]+)"/g)].map(([, code = ""]) => code)];
}

/**
 * The one place where a token belongs into an address: id_token_hint (RP-Initiated Logout 1.0, section 2). The address is in
 * a redirect, or in a page that leads on.
 */
const logoutHintLeftOut = (text: string): string => text.replace(/id_token_hint=[\w.-]+/g, "");
