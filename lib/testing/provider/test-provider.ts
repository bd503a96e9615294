import type { IncomingMessage, ServerResponse } from "node:http";
import { setTimeout } from "node:timers/promises";
import { dress } from "./adapter.js";
import { type Answer, type IdTokenChanges, Mischief, type Writing } from "./fault-injection.js";
import { Keys } from "./keys.js";
import { type Finished, login } from "./login-interaction.js";
import { createProvider, type Provider, prepareProvider } from "./oidc-provider.js";
import { logout } from "./provider-logout.js";
import { type RecordedRequest, record, replay } from "./recorded-requests.js";
import { Door } from "./restartable-server.js";
import { Tokens } from "./signed-tokens.js";
import { type LoggedOutAtPortal, type LogoutAnswer, SingleLogout } from "./single-logout.js";
import { type PortalClient, type PortalOptions, type Settings, settle } from "./test-provider-options.js";

export { DEMO_PEOPLE, type Person } from "./demo-users.js";
export type { Answer, IdTokenChanges, Writing, Written } from "./fault-injection.js";
export type { Signer } from "./keys.js";
export type { RecordedRequest } from "./recorded-requests.js";
export type { LoggedOutAtPortal, LogoutAnswer } from "./single-logout.js";
export type { PortalClient, PortalOptions, SigningAlg } from "./test-provider-options.js";

const MOST_REQUESTS = 10_000;

/** A portal that runs in this process. */
export interface Portal {
  /** http://127.0.0.1:PORT */
  readonly issuer: string;
  /** Every request that the portal got, in order; of very many the newest. */
  readonly requests: RecordedRequest[];
  /** Every token that it has given, in order; of very many the newest. */
  readonly issued: readonly string[];
  /** The next request to this path, or the next few, gets this answer instead. The request's body can be read again. */
  answerNext(path: string, answer: Answer, times?: number): void;
  /** What the next ID token says, and who signs it. Called twice, the second call is for the token after the next. */
  nextIdToken(changes: IdTokenChanges): void;
  /** Members of the next good token answer; `undefined` removes one. */
  nextTokenAnswer(changes: Record<string, unknown>): void;
  /** How the next good token answer is written: its body and its headers, of the JSON that it would be. */
  writeNextTokenAnswer(write: Writing): void;
  /** The discovery document as sent from now on: what `change` returns, or its argument when it returns nothing. */
  alterDiscovery(change: (document: Record<string, unknown>) => unknown): void;
  /** The key set, likewise. */
  alterKeys(change: (jwks: { keys: unknown[] }) => unknown): void;
  /** The portal's clock, as far as its tokens tell the time, is so many seconds ahead of this machine's. Default 0. */
  setClock(aheadSeconds: number): void;
  /** Whatever it was asked to do wrong, it does no more. */
  behave(): void;
  /** What it was asked to do wrong and nobody has met yet: whoever lies wants to know that the lie was heard. */
  unmet(): string[];
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
  logoutToken(who: LoggedOutAtPortal, changes?: IdTokenChanges, clientId?: string): string;
  /**
   * What an application registers once it knows its own address: where it hears of logouts.
   *
   * @param clientId whose; default the first's
   */
  register(
    addresses: Pick<PortalClient, "backchannelLogoutUri" | "frontchannelLogoutUri">,
    clientId?: string,
  ): void;
  /** Sends it to that application's backchannelLogoutUri, and gives the answer; undefined where there is none. */
  sendLogoutToken(token: string, clientId?: string): Promise<LogoutAnswer | undefined>;
  /**
   * Ends the portal's sessions of a person, as its console would, and tells the applications by the back channel.
   *
   * @returns how they answered; nothing where none has a backchannelLogoutUri (register()), or did not answer
   */
  logOut(sub: string): Promise<LogoutAnswer[]>;
  /** The person is gone: nobody can log in as them, their tokens are refreshed no more, /userinfo answers 404. */
  removePerson(sub: string): void;
  /** Connections are refused from now on, and those that are open are cut. */
  goDown(): void;
  /** On the same port again, with all that was known before. */
  comeUp(): Promise<void>;
  /** Ends it. */
  close(): Promise<void>;
}

export async function startPortal(options: PortalOptions): Promise<Portal> {
  const settings = settle(options);
  const [ingredients, keys] = await Promise.all([prepareProvider(), Keys.create(settings.signingAlg)]);
  const mischief = new Mischief();
  const issuerOf = () => issuer; // it is known once the door is open
  const singleLogout = new SingleLogout(issuerOf, keys, settings, mischief);
  const tokens = new Tokens(keys, settings, mischief, singleLogout);
  const requests: RecordedRequest[] = [];
  const finished: Finished = new Map();

  const door = new Door(options.port ?? 0, function portal(req, res) {
    answer(req, res).catch((error: unknown) => {
      if (!req.complete) return; // hung up in the middle of a request
      console.error(error);
      if (!res.headersSent) res.writeHead(500);
      res.end();
    });
  });
  await door.open();

  // The provider has to know its own address, which is known now. No request has been read yet: that takes I/O.
  const issuer = `http://127.0.0.1:${door.port}`;
  let provider: Provider;
  try {
    provider = createProvider(issuer, ingredients, settings);
  } catch (error) {
    await door.shut(); // as when two clients have the same id: nothing may be left listening
    throw error;
  }
  dress(provider, { keys, settings, mischief, tokens });
  const provide = provider.callback();

  async function answer(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const request = await record(req);
    if (!request) return void res.writeHead(413).end();
    if (requests.push(request) > MOST_REQUESTS) requests.shift();

    const delay = mischief.delays.get(request.path) ?? mischief.delays.get(undefined);
    if (delay) await setTimeout(delay);
    const instead = mischief.takeAnswer(request.path);
    if (instead) return instead(replay(req, request), res);

    switch (request.path) {
      case "/portal/login":
        return login(provider, settings, finished, request, req, res);
      case "/logout":
        return logout(provider, settings, tokens, singleLogout, request, req, res);
      default:
        return provide(replay(req, await undressed(belowAnyPath(request, settings), tokens)), res);
    }
  }

  return {
    issuer,
    requests,
    issued: tokens.issued,
    answerNext: (path, instead, times = 1) => mischief.answerNext(path, instead, times),
    nextIdToken: (changes) => void mischief.idTokens.push(changes),
    nextTokenAnswer: (changes) => void mischief.tokenAnswers.push(changes),
    writeNextTokenAnswer: (write) => void mischief.writings.push(write),
    alterDiscovery: (change) => mischief.discovery.becomes(change),
    alterKeys: (change) => mischief.keys.becomes(change),
    setClock(aheadSeconds) {
      mischief.aheadSeconds = aheadSeconds;
    },
    behave: () => mischief.behave(),
    unmet: () => mischief.unmet,
    rotateKeys: (keepKid) => keys.rotate(keepKid),
    slowDown: (milliseconds, path) => void mischief.delays.set(path, milliseconds),
    signJwt: (claims, header) => keys.sign(claims, header),
    logoutToken: (who, changes, clientId = options.clientId) => singleLogout.token(who, clientId, changes),
    register(addresses, clientId = options.clientId) {
      Object.assign(settings.clients.find((client) => client.clientId === clientId) ?? {}, addresses);
    },
    sendLogoutToken: (token, clientId = options.clientId) => singleLogout.send(clientId, token),
    async logOut(sub) {
      const answers: LogoutAnswer[] = [];
      for (const sid of singleLogout.sidsOf(sub)) {
        const session = await provider.Session.findByUid(sid);
        await session?.destroy();
        answers.push(...(await singleLogout.end(sid)).answers);
      }
      return answers;
    },
    removePerson: (sub) => void settings.people.delete(sub),
    goDown: () => void door.shut(),
    comeUp: () => door.open(),
    close: async () => void (await door.shut()),
  };
}

const WELL_KNOWN = "/.well-known/openid-configuration";

/** The request for the discovery document, where the issuer identifier has a path. */
const belowAnyPath = (request: RecordedRequest, { issuerSuffix }: Settings): RecordedRequest =>
  issuerSuffix !== "" && request.path.endsWith(WELL_KNOWN)
    ? { ...request, path: WELL_KNOWN, url: WELL_KNOWN }
    : request;

/** The request with the provider's own tokens in it instead of the portal's. */
async function undressed(request: RecordedRequest, tokens: Tokens): Promise<RecordedRequest> {
  const member = { "/userinfo": "access_token", "/oauth2/revoke": "token" }[request.path];
  if (member === undefined) return request;

  const { authorization } = request.headers;
  const bearer = /^bearer (\S+)$/i.exec(authorization ?? "")?.[1];
  const headers = bearer
    ? { ...request.headers, authorization: `Bearer ${await tokens.undress(bearer)}` }
    : request.headers;

  const form = new URLSearchParams(request.body);
  const inForm = form.get(member);
  if (inForm === null) return { ...request, headers };
  form.set(member, await tokens.undress(inForm));
  return { ...request, headers, body: form.toString() };
}
