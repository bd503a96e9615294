import { randomUUID } from "node:crypto";
import type { FaultInjection, IdTokenChanges } from "./fault-injection.js";
import { getTokenIssuer, type LocalProviderSettings, type ProviderClient } from "./local-provider-options.js";
import type { ProviderKeys } from "./provider-keys.js";

/** The subject of a logout token: a user, a session of the user at the provider, or both. */
export interface LogoutSubject {
  /** The identifier of the user. */
  readonly sub?: string;
  /** The session at the provider. The ID tokens of that session contain it as `sid`. */
  readonly sid?: string;
}

/** The response of an application to a logout token. */
export interface LogoutResponse {
  /** The status. 200 means that the sessions have ended (Back-Channel Logout 1.0, section 2.8). */
  readonly status: number;
  /** The body of the response. */
  readonly body: string;
}

const LOGOUT_TOKEN_SECONDS = 120;
/** An application that does not respond must not block the logout. */
const RESPONSE_TIMEOUT_MS = 5000;
const MAX_SESSIONS = 10_000;

interface Session {
  readonly sub: string;
  readonly clients: Set<string>;
}

/** The outcome of a logout at the applications. */
interface EndedSession {
  readonly responses: readonly LogoutResponse[];
  /** The URLs that the browser must load in frames. */
  readonly frames: readonly string[];
}

/** Records at which applications users have signed in, and notifies these applications of a logout. */
export class SingleLogout {
  readonly #issuer: string;
  readonly #keys: ProviderKeys;
  readonly #settings: LocalProviderSettings;
  readonly #faults: FaultInjection;
  /** The sessions by `sid`. Only the newest are stored. */
  readonly #sessions = new Map<string, Session>();

  constructor(issuer: string, keys: ProviderKeys, settings: LocalProviderSettings, faults: FaultInjection) {
    this.#issuer = issuer;
    this.#keys = keys;
    this.#settings = settings;
    this.#faults = faults;
  }

  /** Records that a user has signed in at an application. */
  recordLogin(sid: string, sub: string, clientId: string): void {
    const recorded = this.#sessions.get(sid);
    const session = recorded?.sub === sub ? recorded : { sub, clients: new Set<string>() };
    session.clients.add(clientId);
    this.#sessions.delete(sid);
    this.#sessions.set(sid, session);
    const [oldest] = this.#sessions.keys();
    if (this.#sessions.size > MAX_SESSIONS && oldest !== undefined) this.#sessions.delete(oldest);
  }

  /** Lists the sessions of a user. */
  listSids(sub: string): string[] {
    return [...this.#sessions].filter(([, session]) => session.sub === sub).map(([sid]) => sid);
  }

  /** Returns a logout token (OpenID Connect Back-Channel Logout 1.0, section 2.4). */
  createLogoutToken(subject: LogoutSubject, clientId: string, changes: IdTokenChanges = {}): string {
    const { claims, header, signedBy, forge } = changes;
    const { tenant } = this.#settings;
    const iat = Math.floor(Date.now() / 1000) + this.#faults.aheadSeconds;
    const allClaims = {
      iss: getTokenIssuer(this.#issuer, this.#settings),
      ...(tenant !== undefined && { tid: tenant }),
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

  /** Removes a session, and sends a logout token to each of its applications. */
  async endSession(sid: string): Promise<EndedSession> {
    const session = this.#sessions.get(sid);
    if (!session) return { responses: [], frames: [] };
    this.#sessions.delete(sid);
    const clients = this.#settings.clients.filter(({ clientId }) => session.clients.has(clientId));
    const responses = await Promise.all(
      clients.map((client) => this.#notifyClient(client, { sub: session.sub, sid })),
    );
    const frames = clients.flatMap(({ frontchannelLogoutUri }) =>
      frontchannelLogoutUri === undefined ? [] : [this.#buildFrameUrl(frontchannelLogoutUri, sid)],
    );
    return { responses: responses.filter((response) => response !== undefined), frames };
  }

  /**
   * Sends a logout token to an application. Returns undefined if the application has no backchannelLogoutUri.
   */
  async sendLogoutToken(clientId: string, token: string): Promise<LogoutResponse | undefined> {
    const client = this.#settings.clients.find((candidate) => candidate.clientId === clientId);
    if (client?.backchannelLogoutUri === undefined) return undefined;
    const response = await fetch(client.backchannelLogoutUri, {
      method: "POST",
      body: new URLSearchParams({ logout_token: token }),
      redirect: "manual",
      signal: AbortSignal.timeout(RESPONSE_TIMEOUT_MS),
    });
    return { status: response.status, body: await response.text() };
  }

  /** Notifies an application. If it cannot be reached, the user is signed out anyway. */
  #notifyClient({ clientId }: ProviderClient, subject: LogoutSubject): Promise<LogoutResponse | undefined> {
    return this.sendLogoutToken(clientId, this.createLogoutToken(subject, clientId)).catch(() => undefined);
  }

  /** Adds the parameters of OpenID Connect Front-Channel Logout 1.0, section 2. */
  #buildFrameUrl(frontchannelLogoutUri: string, sid: string): string {
    const url = new URL(frontchannelLogoutUri);
    url.searchParams.set("iss", getTokenIssuer(this.#issuer, this.#settings));
    url.searchParams.set("sid", sid);
    return url.href;
  }
}
