import type { IncomingMessage, ServerResponse } from "node:http";
import {
  FaultInjection,
  type IdTokenChanges,
  type Responder,
  type TokenResponseWriter,
} from "./fault-injection.js";
import {
  type LocalProviderOptions,
  type LocalProviderSettings,
  type ProviderClient,
  resolveLocalProviderOptions,
} from "./local-provider-options.js";
import { FinishedLogins, handleLogin } from "./login-interaction.js";
import { createOidcProvider, type OidcProvider, prepareProvider } from "./oidc-provider.js";
import { ProviderKeys } from "./provider-keys.js";
import { handleLogout } from "./provider-logout.js";
import { type RecordedRequest, recordRequest, replayRequest } from "./recorded-requests.js";
import { adaptResponses } from "./response-adapter.js";
import { RestartableServer } from "./restartable-server.js";
import { SignedTokens } from "./signed-tokens.js";
import { type LogoutResponse, type LogoutSubject, SingleLogout } from "./single-logout.js";

export { DEMO_USERS, type DemoUser } from "./demo-users.js";
export type { IdTokenChanges, Responder, TokenResponseWriter, WrittenResponse } from "./fault-injection.js";
export type { LocalProviderOptions, ProviderClient, SigningAlg } from "./local-provider-options.js";
export type { Signer } from "./provider-keys.js";
export type { RecordedRequest } from "./recorded-requests.js";
export type { LogoutResponse, LogoutSubject } from "./single-logout.js";

const MAX_REQUESTS = 10_000;

/** An OpenID provider in this process. */
export interface LocalProvider {
  /** The URL of the provider: `http://127.0.0.1:PORT`. */
  readonly issuer: string;
  /** The requests that the provider has received, in order. Only the newest 10,000 are stored. */
  readonly requests: RecordedRequest[];
  /** The tokens that the provider has issued, in order. Only the newest 3,000 are stored. */
  readonly issued: readonly string[];
  /**
   * Lets `responder` respond to the next requests to this path. It can read the body of the request.
   *
   * @param times number of requests. Default 1
   */
  answerNext(path: string, responder: Responder, times?: number): void;
  /** Changes the next ID token. A second call changes the ID token after that. */
  nextIdToken(changes: IdTokenChanges): void;
  /** Adds or replaces members of the next successful token response. `undefined` removes a member. */
  nextTokenResponse(changes: Record<string, unknown>): void;
  /** Replaces the body and the headers of the next successful token response. */
  writeNextTokenResponse(write: TokenResponseWriter): void;
  /**
   * Changes the discovery document from now on. `change` returns a replacement, or modifies its argument and
   * returns nothing.
   */
  alterDiscovery(change: (document: Record<string, unknown>) => unknown): void;
  /**
   * Changes the published key set from now on. `change` returns a replacement, or modifies its argument and
   * returns nothing.
   */
  alterKeys(change: (jwks: { keys: unknown[] }) => unknown): void;
  /** Sets how many seconds the times in tokens are ahead of the real time. Default 0. */
  setClock(aheadSeconds: number): void;
  /** Removes all faults that were requested with the methods above. */
  clearFaults(): void;
  /**
   * Describes each requested fault that no request has met yet. A test can expect an empty list at its end.
   */
  pendingFaults(): string[];
  /**
   * Creates a new signing key, and removes the old one from the key set.
   *
   * @param keepKid whether the new key has the `kid` of the old one. Default false
   */
  rotateKeys(keepKid?: boolean): Promise<void>;
  /** Delays each response by this many milliseconds, or each response at one path. */
  slowDown(milliseconds: number, path?: string): void;
  /** Returns a JWT with these claims, signed by the provider. */
  signJwt(claims: Record<string, unknown>, header?: Record<string, unknown>): string;
  /**
   * Returns a logout token (OpenID Connect Back-Channel Logout 1.0, section 2.4). It is valid unless
   * `changes` make it invalid.
   *
   * @param clientId the application. Default: the first one
   */
  logoutToken(subject: LogoutSubject, changes?: IdTokenChanges, clientId?: string): string;
  /**
   * Registers the logout URLs of an application. Use it if these URLs are known only after the start of the
   * app.
   *
   * @param clientId the application. Default: the first one
   */
  register(
    urls: Pick<ProviderClient, "backchannelLogoutUri" | "frontchannelLogoutUri">,
    clientId?: string,
  ): void;
  /**
   * Sends a logout token to the backchannelLogoutUri of an application, and returns its response. Returns
   * undefined if the application has no backchannelLogoutUri.
   *
   * @param clientId the application. Default: the first one
   */
  sendLogoutToken(token: string, clientId?: string): Promise<LogoutResponse | undefined>;
  /**
   * Ends all sessions of a user at the provider, and sends logout tokens to the applications.
   *
   * @returns the responses of the applications. Applications without a backchannelLogoutUri or without a
   *   response are omitted
   */
  logOut(sub: string): Promise<LogoutResponse[]>;
  /** Deletes a user: no further login, no further refresh, and 404 from /userinfo. */
  removeUser(sub: string): void;
  /** Closes all connections, and refuses new ones. */
  goDown(): void;
  /** Listens again, on the same port. Sessions, tokens and keys are still there. */
  comeUp(): Promise<void>;
  /** Stops the provider. */
  close(): Promise<void>;
}

/** The parts of a running provider. */
interface ProviderParts {
  readonly provider: OidcProvider;
  readonly settings: LocalProviderSettings;
  readonly keys: ProviderKeys;
  readonly faults: FaultInjection;
  readonly singleLogout: SingleLogout;
  readonly tokens: SignedTokens;
  readonly requests: RecordedRequest[];
}

type Handler = (req: IncomingMessage, res: ServerResponse) => Promise<void>;

/**
 * Starts a provider.
 *
 * @throws Error if oidc-provider is not installed, the port is in use, or a client is invalid
 * @throws TypeError if an option is unknown
 */
export async function startLocalProvider(options: LocalProviderOptions): Promise<LocalProvider> {
  const settings = resolveLocalProviderOptions(options);
  const [prepared, keys] = await Promise.all([prepareProvider(), ProviderKeys.create(settings.signingAlg)]);
  const faults = new FaultInjection();
  let handler: Handler = async () => {};
  const server = new RestartableServer(options.port ?? 0, (req, res) => {
    handler(req, res).catch((error: unknown) => sendUnexpectedError(req, res, error));
  });
  await server.start();

  // The provider needs its own URL, which is known now. No request has been read yet, because that needs I/O.
  const issuer = `http://127.0.0.1:${server.port}`;
  const singleLogout = new SingleLogout(issuer, keys, settings, faults);
  const tokens = new SignedTokens(keys, settings, faults, singleLogout);
  let provider: OidcProvider;
  try {
    provider = createOidcProvider(issuer, prepared, settings);
  } catch (error) {
    await server.stop(); // For example, two clients have the same ID. The port must be free again.
    throw error;
  }
  adaptResponses(provider, { keys, settings, faults, tokens });
  const parts: ProviderParts = { provider, settings, keys, faults, singleLogout, tokens, requests: [] };
  handler = createHandler(parts);
  return {
    issuer,
    requests: parts.requests,
    issued: tokens.issued,
    ...createFaultMethods(parts),
    ...createLogoutMethods(parts, options.clientId),
    rotateKeys: (keepKid) => keys.rotate(keepKid),
    signJwt: (claims, header) => keys.sign(claims, header),
    removeUser: (sub) => void settings.users.delete(sub),
    goDown: () => void server.stop(),
    comeUp: () => server.start(),
    close: async () => void (await server.stop()),
  };
}

function sendUnexpectedError(req: IncomingMessage, res: ServerResponse, error: unknown): void {
  if (!req.complete) return; // The client has closed the connection during its request.
  console.error(error);
  if (!res.headersSent) res.writeHead(500);
  res.end();
}

/**
 * Creates the handler of all requests. It records them, applies faults and forwards the rest to
 * oidc-provider.
 */
function createHandler({
  provider,
  settings,
  faults,
  singleLogout,
  tokens,
  requests,
}: ProviderParts): Handler {
  const finishedLogins = new FinishedLogins();
  const forwardToProvider = provider.callback();
  return async function handleRequest(req, res) {
    const request = await recordRequest(req);
    if (!request) {
      res.writeHead(413).end();
      return;
    }
    if (requests.push(request) > MAX_REQUESTS) requests.shift();

    await faults.waitForDelay(request.path);
    const responder = faults.takeResponder(request.path);
    if (responder) return responder(replayRequest(req, request), res);

    switch (request.path) {
      case "/portal/login":
        return handleLogin(provider, settings, finishedLogins, request, req, res);
      case "/logout":
        return handleLogout(provider, settings, tokens, singleLogout, request, req, res);
      default: {
        finishedLogins.watchResponse(request, res);
        const converted = await withProviderTokens(withoutIssuerPath(request, settings), tokens);
        return forwardToProvider(replayRequest(req, converted), res);
      }
    }
  };
}

type FaultMethods = Pick<
  LocalProvider,
  | "answerNext"
  | "nextIdToken"
  | "nextTokenResponse"
  | "writeNextTokenResponse"
  | "alterDiscovery"
  | "alterKeys"
  | "setClock"
  | "clearFaults"
  | "pendingFaults"
  | "slowDown"
>;

const createFaultMethods = ({ faults }: ProviderParts): FaultMethods => ({
  answerNext: (path, responder, times = 1) => faults.answerNext(path, responder, times),
  nextIdToken: (changes) => void faults.idTokenChanges.push(changes),
  nextTokenResponse: (changes) => void faults.tokenResponseChanges.push(changes),
  writeNextTokenResponse: (write) => void faults.tokenResponseWriters.push(write),
  alterDiscovery: (change) => faults.discovery.set(change),
  alterKeys: (change) => faults.keys.set(change),
  setClock(aheadSeconds) {
    faults.aheadSeconds = aheadSeconds;
  },
  clearFaults: () => faults.clear(),
  pendingFaults: () => faults.pending,
  slowDown: (milliseconds, path) => void faults.delays.set(path, milliseconds),
});

type LogoutMethods = Pick<LocalProvider, "logoutToken" | "register" | "sendLogoutToken" | "logOut">;

const createLogoutMethods = (
  { provider, settings, singleLogout }: ProviderParts,
  firstClientId: string,
): LogoutMethods => ({
  logoutToken: (subject, changes, clientId = firstClientId) =>
    singleLogout.createLogoutToken(subject, clientId, changes),
  register(urls, clientId = firstClientId) {
    Object.assign(settings.clients.find((client) => client.clientId === clientId) ?? {}, urls);
  },
  sendLogoutToken: (token, clientId = firstClientId) => singleLogout.sendLogoutToken(clientId, token),
  async logOut(sub) {
    const responses: LogoutResponse[] = [];
    for (const sid of singleLogout.listSids(sub)) {
      const session = await provider.Session.findByUid(sid);
      await session?.destroy();
      responses.push(...(await singleLogout.endSession(sid)).responses);
    }
    return responses;
  },
});

const WELL_KNOWN = "/.well-known/openid-configuration";

/** Removes the path of the issuer identifier from a request for the discovery document. */
const withoutIssuerPath = (
  request: RecordedRequest,
  { issuerSuffix }: LocalProviderSettings,
): RecordedRequest =>
  issuerSuffix !== "" && request.path.endsWith(WELL_KNOWN)
    ? { ...request, path: WELL_KNOWN, url: WELL_KNOWN }
    : request;

/** Replaces the JWT of a request with the token that oidc-provider has issued. */
async function withProviderTokens(request: RecordedRequest, tokens: SignedTokens): Promise<RecordedRequest> {
  const parameter = { "/userinfo": "access_token", "/oauth2/revoke": "token" }[request.path];
  if (parameter === undefined) return request;

  const { authorization } = request.headers;
  const bearer = /^bearer (\S+)$/i.exec(authorization ?? "")?.[1];
  const headers = bearer
    ? { ...request.headers, authorization: `Bearer ${await tokens.toProviderToken(bearer)}` }
    : request.headers;

  const form = new URLSearchParams(request.body);
  const tokenInForm = form.get(parameter);
  if (tokenInForm === null) return { ...request, headers };
  form.set(parameter, await tokens.toProviderToken(tokenInForm));
  return { ...request, headers, body: form.toString() };
}
