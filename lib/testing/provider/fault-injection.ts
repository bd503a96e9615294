import type { IncomingMessage, ServerResponse } from "node:http";
import { setTimeout } from "node:timers/promises";
import type { Signer } from "./provider-keys.js";

/** Sends the response to a request in place of the provider. */
export type Responder = (req: IncomingMessage, res: ServerResponse) => void;

/** Changes to an ID token or a logout token. */
export interface IdTokenChanges {
  /** Claims to add or replace. `undefined` removes a claim. */
  claims?: Record<string, unknown>;
  /** Header parameters to add or replace. They do not change how the token is signed. */
  header?: Record<string, unknown>;
  /** The key that signs the token. Default "portal", the provider's own key. */
  signedBy?: Signer;
  /**
   * Returns the whole token as text. It receives the claims, and a function that signs a text with the
   * provider's key.
   */
  forge?: (claims: Record<string, unknown>, sign: (content: string) => string) => string;
}

/** Changes how a successful token response is sent. It receives the JSON text of that response. */
export type TokenResponseWriter = (json: string) => WrittenResponse;

/** The body and the headers that a TokenResponseWriter returns. */
export interface WrittenResponse {
  /** The body of the response. */
  body: string | Buffer;
  /** Headers to add or replace. */
  headers: Record<string, string>;
}

type Change<T> = (original: T) => unknown;

/** The faults that a test has requested and that no request has met yet. */
export class FaultInjection {
  readonly #responders = new Map<string, Responder[]>();
  readonly idTokenChanges: IdTokenChanges[] = [];
  readonly tokenResponseChanges: Record<string, unknown>[] = [];
  readonly tokenResponseWriters: TokenResponseWriter[] = [];
  aheadSeconds = 0;
  /** Delays of responses in milliseconds, by path. The key undefined stands for all other paths. */
  readonly delays = new Map<string | undefined, number>();
  readonly discovery = new StandingChange<Record<string, unknown>>();
  readonly keys = new StandingChange<{ keys: unknown[] }>();

  answerNext(path: string, responder: Responder, times: number): void {
    const pending = this.#responders.get(path) ?? [];
    pending.push(...new Array<Responder>(times).fill(responder));
    this.#responders.set(path, pending);
  }

  /** Removes all faults. */
  clear(): void {
    this.#responders.clear();
    for (const pending of [this.idTokenChanges, this.tokenResponseChanges, this.tokenResponseWriters])
      pending.length = 0;
    for (const change of [this.discovery, this.keys]) change.set(undefined);
    this.delays.clear();
    this.aheadSeconds = 0;
  }

  /** Describes each fault that no request has met yet. */
  get pending(): string[] {
    return [
      ...[...this.#responders].flatMap(([path, responders]) => responders.map(() => path)),
      ...this.idTokenChanges.map(() => "an ID token"),
      ...this.tokenResponseChanges.map(() => "members of a token response"),
      ...this.tokenResponseWriters.map(() => "the writer of a token response"),
      ...(this.discovery.isPending ? ["the discovery document"] : []),
      ...(this.keys.isPending ? ["the keys"] : []),
    ];
  }

  /** Waits as long as a test has requested for responses at this path. */
  async waitForDelay(path: string): Promise<void> {
    const delayMs = this.delays.get(path) ?? this.delays.get(undefined);
    if (delayMs) await setTimeout(delayMs);
  }

  /** Returns the responder for the next request at a path. Undefined if the provider responds itself. */
  takeResponder(path: string): Responder | undefined {
    return this.#responders.get(path)?.shift();
  }
}

/** A change that applies to all later responses. */
class StandingChange<T> {
  #change: Change<T> | undefined;
  isPending = false;

  set(change: Change<T> | undefined): void {
    this.#change = change;
    this.isPending = change !== undefined;
  }

  /** Applies the change. It may return a replacement, or modify the original and return undefined. */
  apply(original: T): unknown {
    this.isPending = false;
    const changed = this.#change?.(original);
    return changed === undefined ? original : changed;
  }
}
