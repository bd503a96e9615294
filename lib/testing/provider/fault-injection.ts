import type { IncomingMessage, ServerResponse } from "node:http";
import type { Signer } from "./provider-keys.js";

/** Answers a request instead of the portal. */
export type Responder = (req: IncomingMessage, res: ServerResponse) => void;

/** How an ID token differs from what it would be. */
export interface IdTokenChanges {
  /** `undefined` removes a claim. */
  claims?: Record<string, unknown>;
  /** Written as it is, even where the signature is of another kind. */
  header?: Record<string, unknown>;
  /** Default "portal". */
  signedBy?: Signer;
  /** Writes the whole token instead, of the claims as they would be; `sign` gives the portal's signature for any text. */
  forge?: (claims: Record<string, unknown>, sign: (content: string) => string) => string;
}

/** A good answer as it goes over the wire. */
export type TokenResponseWriter = (json: string) => WrittenResponse;

/** What is sent instead. */
export interface WrittenResponse {
  /** As it goes over the wire. */
  body: string | Buffer;
  /** Those of the answer. */
  headers: Record<string, string>;
}

type Change<T> = (sent: T) => unknown;

/** What the portal has been asked to do wrong, and has not done yet. */
export class FaultInjection {
  readonly #answers = new Map<string, Responder[]>();
  readonly idTokenChanges: IdTokenChanges[] = [];
  readonly tokenResponseChanges: Record<string, unknown>[] = [];
  readonly tokenResponseWriters: TokenResponseWriter[] = [];
  aheadSeconds = 0;
  /** How long an answer takes, in milliseconds: by path, or for all. */
  readonly delays = new Map<string | undefined, number>();
  readonly discovery = new StandingChange<Record<string, unknown>>();
  readonly keys = new StandingChange<{ keys: unknown[] }>();

  answerNext(path: string, answer: Responder, times: number): void {
    const waiting = this.#answers.get(path) ?? [];
    waiting.push(...new Array<Responder>(times).fill(answer));
    this.#answers.set(path, waiting);
  }

  /** What waits is forgotten; what is said from now on is as it should be. */
  clear(): void {
    this.#answers.clear();
    for (const waiting of [this.idTokenChanges, this.tokenResponseChanges, this.tokenResponseWriters])
      waiting.length = 0;
    for (const standing of [this.discovery, this.keys]) standing.set(undefined);
    this.delays.clear();
    this.aheadSeconds = 0;
  }

  /** What it has been asked to do, and nobody has met yet. */
  get pending(): string[] {
    return [
      ...[...this.#answers].flatMap(([path, waiting]) => waiting.map(() => path)),
      ...this.idTokenChanges.map(() => "an ID token"),
      ...this.tokenResponseChanges.map(() => "members of a token answer"),
      ...this.tokenResponseWriters.map(() => "a token answer's writing"),
      ...(this.discovery.isPending ? ["the discovery document"] : []),
      ...(this.keys.isPending ? ["the keys"] : []),
    ];
  }

  takeAnswer(path: string): Responder | undefined {
    return this.#answers.get(path)?.shift();
  }
}

/** What is sent from now on, and not only the next time. */
class StandingChange<T> {
  #change: Change<T> | undefined;
  isPending = false;

  set(change: Change<T> | undefined): void {
    this.#change = change;
    this.isPending = change !== undefined;
  }

  /** A change may return another thing altogether, or alter what it was given and return nothing. */
  apply(original: T): unknown {
    this.isPending = false;
    const changed = this.#change?.(original);
    return changed === undefined ? original : changed;
  }
}
