import { randomUUID } from "node:crypto";
import type { FaultInjection, IdTokenChanges } from "./fault-injection.js";
import { getTokenIssuer, type LocalProviderSettings, type ProviderClient } from "./local-provider-options.js";
import type { ProviderKeys } from "./provider-keys.js";

/** Whom a logout token speaks of: a person, one of their sessions at the portal, or the one in the other. */
export interface LogoutSubject {
  /** The person. */
  readonly sub?: string;
  /** Their session at the portal, as in the ID tokens that came of it. */
  readonly sid?: string;
}

/** How an application answered a back-channel logout. */
export interface LogoutResponse {
  /** 200 where it says that the sessions are over (section 2.8). */
  readonly status: number;
  /** What it says beside that. */
  readonly body: string;
}

const LOGOUT_TOKEN_SECONDS = 120;
/** Whoever does not answer keeps nobody from going on. */
const RESPONSE_TIMEOUT_MS = 5000;
const MAX_SESSIONS = 10_000;

interface Session {
  readonly sub: string;
  readonly clients: Set<string>;
}

/** Who has logged in where, and how the applications hear that it is over. */
export class SingleLogout {
  readonly #issuer: () => string;
  readonly #keys: ProviderKeys;
  readonly #settings: LocalProviderSettings;
  readonly #faults: FaultInjection;
  /** By `sid`; of very many the newest. */
  readonly #sessions = new Map<string, Session>();

  constructor(
    issuer: () => string,
    keys: ProviderKeys,
    settings: LocalProviderSettings,
    faults: FaultInjection,
  ) {
    this.#issuer = issuer;
    this.#keys = keys;
    this.#settings = settings;
    this.#faults = faults;
  }

  /** An application has been told who somebody is. */
  recordLogin(sid: string, sub: string, clientId: string): void {
    const known = this.#sessions.get(sid);
    const session = known?.sub === sub ? known : { sub, clients: new Set<string>() };
    session.clients.add(clientId);
    this.#sessions.delete(sid);
    this.#sessions.set(sid, session);
    const [oldest] = this.#sessions.keys();
    if (this.#sessions.size > MAX_SESSIONS && oldest !== undefined) this.#sessions.delete(oldest);
  }

  /** The portal's sessions of this person. */
  listSids(sub: string): string[] {
    return [...this.#sessions].filter(([, session]) => session.sub === sub).map(([sid]) => sid);
  }

  /** OpenID Connect Back-Channel Logout 1.0, section 2.4. */
  createLogoutToken(subject: LogoutSubject, clientId: string, changes: IdTokenChanges = {}): string {
    const { claims, header, signedBy, forge } = changes;
    const iat = Math.floor(Date.now() / 1000) + this.#faults.aheadSeconds;
    const allClaims = {
      iss: getTokenIssuer(this.#issuer(), this.#settings),
      ...(this.#settings.tenant !== undefined && { tid: this.#settings.tenant }),
      aud: clientId,
      iat,
      exp: iat + LOGOUT_TOKEN_SECONDS,
      jti: randomUUID(),
      events: { "http://schemas.openid.net/event/backchannel-logout": {} },
      ...subject,
      ...claims,
    };
    if (forge) return forge(allClaims, (content) => this.#keys.createSignature(content));
    return this.#keys.sign(allClaims, { typ: "logout+jwt", ...header }, signedBy);
  }

  /** Tells the applications that a session is over, and forgets it. Gives the addresses that the browser is to frame, too. */
  async endSession(
    sid: string,
  ): Promise<{ readonly answers: readonly LogoutResponse[]; readonly frames: readonly string[] }> {
    const session = this.#sessions.get(sid);
    if (!session) return { answers: [], frames: [] };
    this.#sessions.delete(sid);
    const clients = this.#settings.clients.filter(({ clientId }) => session.clients.has(clientId));
    const answers = await Promise.all(
      clients.map((client) => this.#notifyClient(client, { sub: session.sub, sid })),
    );
    const frames = clients.flatMap(({ frontchannelLogoutUri }) =>
      frontchannelLogoutUri === undefined ? [] : [this.#buildFrameUrl(frontchannelLogoutUri, sid)],
    );
    return { answers: answers.filter((response) => response !== undefined), frames };
  }

  /** Sends one application a logout token; undefined for one that wants none. */
  async sendLogoutToken(clientId: string, token: string): Promise<LogoutResponse | undefined> {
    const client = this.#settings.clients.find((one) => one.clientId === clientId);
    if (client?.backchannelLogoutUri === undefined) return undefined;
    const response = await fetch(client.backchannelLogoutUri, {
      method: "POST",
      body: new URLSearchParams({ logout_token: token }),
      redirect: "manual",
      signal: AbortSignal.timeout(RESPONSE_TIMEOUT_MS),
    });
    return { status: response.status, body: await response.text() };
  }

  #notifyClient({ clientId }: ProviderClient, subject: LogoutSubject): Promise<LogoutResponse | undefined> {
    return this.sendLogoutToken(clientId, this.createLogoutToken(subject, clientId)).catch(() => undefined); // nobody is kept signed in for that
  }

  /** OpenID Connect Front-Channel Logout 1.0, section 2. */
  #buildFrameUrl(address: string, sid: string): string {
    const url = new URL(address);
    url.searchParams.set("iss", getTokenIssuer(this.#issuer(), this.#settings));
    url.searchParams.set("sid", sid);
    return url.href;
  }
}
