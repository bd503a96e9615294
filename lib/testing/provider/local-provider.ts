import type { IncomingMessage, ServerResponse } from "node:http";
import { setTimeout } from "node:timers/promises";
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

/** A portal that runs in this process. */
export interface LocalProvider {
  /** http://127.0.0.1:PORT */
  readonly issuer: string;
  /** Every request that the portal got, in order; of very many the newest. */
  readonly requests: RecordedRequest[];
  /** Every token that it has given, in order; of very many the newest. */
  readonly issued: readonly string[];
  /** The next request to this path, or the next few, gets this answer instead. The request's body can be read again. */
  answerNext(path: string, answer: Responder, times?: number): void;
  /** What the next ID token says, and who signs it. Called twice, the second call is for the token after the next. */
  nextIdToken(changes: IdTokenChanges): void;
  /** Members of the next good token answer; `undefined` removes one. */
  nextTokenResponse(changes: Record<string, unknown>): void;
  /** How the next good token answer is written: its body and its headers, of the JSON that it would be. */
  writeNextTokenResponse(write: TokenResponseWriter): void;
  /** The discovery document as sent from now on: what `change` returns, or its argument when it returns nothing. */
  alterDiscovery(change: (document: Record<string, unknown>) => unknown): void;
  /** The key set, likewise. */
  alterKeys(change: (jwks: { keys: unknown[] }) => unknown): void;
  /** The portal's clock, as far as its tokens tell the time, is so many seconds ahead of this machine's. Default 0. */
  setClock(aheadSeconds: number): void;
  /** Whatever it was asked to do wrong, it does no more. */
  clearFaults(): void;
  /** What it was asked to do wrong and nobody has met yet: whoever lies wants to know that the lie was heard. */
  pendingFaults(): string[];
  /**
   * A new signing key; the old one leaves the key set.
   *
   * @param keepKid whether the new one has the old one's `kid`, as some portals have it. Default false
   */
  rotateKeys(keepKid?: boolean): Promise<void>;
  /** Every answer takes so many milliseconds from now on, or those of one path. */
  slowDown(milliseconds: number, path?: string): void;
  /** A JWT of any content, signed by the portal: a logout token, an ID token of its own making. */
  signJwt(claims: Record<string, unknown>, header?: Record<string, unknown>): string;
  /**
   * A logout token for an application (OpenID Connect Back-Channel Logout 1.0, section 2.4), good unless `changes` say
   * otherwise.
   *
   * @param clientId whose; default the first's
   */
  logoutToken(who: LogoutSubject, changes?: IdTokenChanges, clientId?: string): string;
  /**
   * What an application registers once it knows its own address: where it hears of logouts.
   *
   * @param clientId whose; default the first's
   */
  register(
    addresses: Pick<ProviderClient, "backchannelLogoutUri" | "frontchannelLogoutUri">,
    clientId?: string,
  ): void;
  /** Sends it to that application's backchannelLogoutUri, and gives the answer; undefined where there is none. */
  sendLogoutToken(token: string, clientId?: string): Promise<LogoutResponse | undefined>;
  /**
   * Ends the portal's sessions of a person, as its console would, and tells the applications by the back channel.
   *
   * @returns how they answered; nothing where none has a backchannelLogoutUri (register()), or did not answer
   */
  logOut(sub: string): Promise<LogoutResponse[]>;
  /** The person is gone: nobody can log in as them, their tokens are refreshed no more, /userinfo answers 404. */
  removeUser(sub: string): void;
  /** Connections are refused from now on, and those that are open are cut. */
  goDown(): void;
  /** On the same port again, with all that was known before. */
  comeUp(): Promise<void>;
  /** Ends it. */
  close(): Promise<void>;
}

export async function startLocalProvider(options: LocalProviderOptions): Promise<LocalProvider> {
  const settings = resolveLocalProviderOptions(options);
  const [ingredients, keys] = await Promise.all([
    prepareProvider(),
    ProviderKeys.create(settings.signingAlg),
  ]);
  const faults = new FaultInjection();
  const issuerOf = () => issuer; // it is known once the door is open
  const singleLogout = new SingleLogout(issuerOf, keys, settings, faults);
  const tokens = new SignedTokens(keys, settings, faults, singleLogout);
  const requests: RecordedRequest[] = [];
  const finished = new FinishedLogins();

  const server = new RestartableServer(options.port ?? 0, function portal(req, res) {
    answer(req, res).catch((error: unknown) => {
      if (!req.complete) return; // hung up in the middle of a request
      console.error(error);
      if (!res.headersSent) res.writeHead(500);
      res.end();
    });
  });
  await server.start();

  // The provider has to know its own address, which is known now. No request has been read yet: that takes I/O.
  const issuer = `http://127.0.0.1:${server.port}`;
  let provider: OidcProvider;
  try {
    provider = createOidcProvider(issuer, ingredients, settings);
  } catch (error) {
    await server.stop(); // as when two clients have the same id: nothing may be left listening
    throw error;
  }
  adaptResponses(provider, { keys, settings, mischief: faults, tokens });
  const provide = provider.callback();

  async function answer(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const request = await recordRequest(req);
    if (!request) return void res.writeHead(413).end();
    if (requests.push(request) > MAX_REQUESTS) requests.shift();

    const delay = faults.delays.get(request.path) ?? faults.delays.get(undefined);
    if (delay) await setTimeout(delay);
    const instead = faults.takeAnswer(request.path);
    if (instead) return instead(replayRequest(req, request), res);

    switch (request.path) {
      case "/portal/login":
        return handleLogin(provider, settings, finished, request, req, res);
      case "/logout":
        return handleLogout(provider, settings, tokens, singleLogout, request, req, res);
      default:
        return provide(
          replayRequest(req, await withProviderTokens(withoutIssuerPath(request, settings), tokens)),
          res,
        );
    }
  }

  return {
    issuer,
    requests,
    issued: tokens.issued,
    answerNext: (path, instead, times = 1) => faults.answerNext(path, instead, times),
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
    rotateKeys: (keepKid) => keys.rotate(keepKid),
    slowDown: (milliseconds, path) => void faults.delays.set(path, milliseconds),
    signJwt: (claims, header) => keys.sign(claims, header),
    logoutToken: (who, changes, clientId = options.clientId) =>
      singleLogout.createLogoutToken(who, clientId, changes),
    register(addresses, clientId = options.clientId) {
      Object.assign(settings.clients.find((client) => client.clientId === clientId) ?? {}, addresses);
    },
    sendLogoutToken: (token, clientId = options.clientId) => singleLogout.sendLogoutToken(clientId, token),
    async logOut(sub) {
      const answers: LogoutResponse[] = [];
      for (const sid of singleLogout.listSids(sub)) {
        const session = await provider.Session.findByUid(sid);
        await session?.destroy();
        answers.push(...(await singleLogout.endSession(sid)).answers);
      }
      return answers;
    },
    removeUser: (sub) => void settings.users.delete(sub),
    goDown: () => void server.stop(),
    comeUp: () => server.start(),
    close: async () => void (await server.stop()),
  };
}

const WELL_KNOWN = "/.well-known/openid-configuration";

/** The request for the discovery document, where the issuer identifier has a path. */
const withoutIssuerPath = (
  request: RecordedRequest,
  { issuerSuffix }: LocalProviderSettings,
): RecordedRequest =>
  issuerSuffix !== "" && request.path.endsWith(WELL_KNOWN)
    ? { ...request, path: WELL_KNOWN, url: WELL_KNOWN }
    : request;

/** The request with the provider's own tokens in it instead of the portal's. */
async function withProviderTokens(request: RecordedRequest, tokens: SignedTokens): Promise<RecordedRequest> {
  const member = { "/userinfo": "access_token", "/oauth2/revoke": "token" }[request.path];
  if (member === undefined) return request;

  const { authorization } = request.headers;
  const bearer = /^bearer (\S+)$/i.exec(authorization ?? "")?.[1];
  const headers = bearer
    ? { ...request.headers, authorization: `Bearer ${await tokens.toProviderToken(bearer)}` }
    : request.headers;

  const form = new URLSearchParams(request.body);
  const inForm = form.get(member);
  if (inForm === null) return { ...request, headers };
  form.set(member, await tokens.toProviderToken(inForm));
  return { ...request, headers, body: form.toString() };
}
