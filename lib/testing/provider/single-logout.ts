import { randomUUID } from "node:crypto";
import type { IdTokenChanges, Mischief } from "./fault-injection.js";
import type { Keys } from "./keys.js";
import { issuerInTokens, type PortalClient, type Settings } from "./test-provider-options.js";

/** Whom a logout token speaks of: a person, one of their sessions at the portal, or the one in the other. */
export interface LoggedOutAtPortal {
  /** The person. */
  readonly sub?: string;
  /** Their session at the portal, as in the ID tokens that came of it. */
  readonly sid?: string;
}

/** How an application answered a back-channel logout. */
export interface LogoutAnswer {
  /** 200 where it says that the sessions are over (section 2.8). */
  readonly status: number;
  /** What it says beside that. */
  readonly body: string;
}

const LOGOUT_TOKEN_SECONDS = 120;
/** Whoever does not answer keeps nobody from going on. */
const PATIENCE_MS = 5000;
const MOST_REMEMBERED = 10_000;

interface Session {
  readonly sub: string;
  readonly clients: Set<string>;
}

/** Who has logged in where, and how the applications hear that it is over. */
export class SingleLogout {
  readonly #issuer: () => string;
  readonly #keys: Keys;
  readonly #settings: Settings;
  readonly #mischief: Mischief;
  /** By `sid`; of very many the newest. */
  readonly #sessions = new Map<string, Session>();

  constructor(issuer: () => string, keys: Keys, settings: Settings, mischief: Mischief) {
    this.#issuer = issuer;
    this.#keys = keys;
    this.#settings = settings;
    this.#mischief = mischief;
  }

  /** An application has been told who somebody is. */
  note(sid: string, sub: string, clientId: string): void {
    const known = this.#sessions.get(sid);
    const session = known?.sub === sub ? known : { sub, clients: new Set<string>() };
    session.clients.add(clientId);
    this.#sessions.delete(sid);
    this.#sessions.set(sid, session);
    const [oldest] = this.#sessions.keys();
    if (this.#sessions.size > MOST_REMEMBERED && oldest !== undefined) this.#sessions.delete(oldest);
  }

  /** The portal's sessions of this person. */
  sidsOf(sub: string): string[] {
    return [...this.#sessions].filter(([, session]) => session.sub === sub).map(([sid]) => sid);
  }

  /** OpenID Connect Back-Channel Logout 1.0, section 2.4. */
  token(who: LoggedOutAtPortal, clientId: string, changes: IdTokenChanges = {}): string {
    const { claims, header, signedBy, forge } = changes;
    const iat = Math.floor(Date.now() / 1000) + this.#mischief.aheadSeconds;
    const told = {
      iss: issuerInTokens(this.#issuer(), this.#settings),
      ...(this.#settings.tenant !== undefined && { tid: this.#settings.tenant }),
      aud: clientId,
      iat,
      exp: iat + LOGOUT_TOKEN_SECONDS,
      jti: randomUUID(),
      events: { "http://schemas.openid.net/event/backchannel-logout": {} },
      ...who,
      ...claims,
    };
    if (forge) return forge(told, (content) => this.#keys.signature(content));
    return this.#keys.sign(told, { typ: "logout+jwt", ...header }, signedBy);
  }

  /** Tells the applications that a session is over, and forgets it. Gives the addresses that the browser is to frame, too. */
  async end(
    sid: string,
  ): Promise<{ readonly answers: readonly LogoutAnswer[]; readonly frames: readonly string[] }> {
    const session = this.#sessions.get(sid);
    if (!session) return { answers: [], frames: [] };
    this.#sessions.delete(sid);
    const clients = this.#settings.clients.filter(({ clientId }) => session.clients.has(clientId));
    const answers = await Promise.all(clients.map((client) => this.#post(client, { sub: session.sub, sid })));
    const frames = clients.flatMap(({ frontchannelLogoutUri }) =>
      frontchannelLogoutUri === undefined ? [] : [this.#framed(frontchannelLogoutUri, sid)],
    );
    return { answers: answers.filter((answer) => answer !== undefined), frames };
  }

  /** Sends one application a logout token; undefined for one that wants none. */
  async send(clientId: string, token: string): Promise<LogoutAnswer | undefined> {
    const client = this.#settings.clients.find((one) => one.clientId === clientId);
    if (client?.backchannelLogoutUri === undefined) return undefined;
    const answer = await fetch(client.backchannelLogoutUri, {
      method: "POST",
      body: new URLSearchParams({ logout_token: token }),
      redirect: "manual",
      signal: AbortSignal.timeout(PATIENCE_MS),
    });
    return { status: answer.status, body: await answer.text() };
  }

  #post({ clientId }: PortalClient, who: LoggedOutAtPortal): Promise<LogoutAnswer | undefined> {
    return this.send(clientId, this.token(who, clientId)).catch(() => undefined); // nobody is kept signed in for that
  }

  /** OpenID Connect Front-Channel Logout 1.0, section 2. */
  #framed(address: string, sid: string): string {
    const url = new URL(address);
    url.searchParams.set("iss", issuerInTokens(this.#issuer(), this.#settings));
    url.searchParams.set("sid", sid);
    return url.href;
  }
}
