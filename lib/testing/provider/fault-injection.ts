import type { IncomingMessage, ServerResponse } from "node:http";
import type { Signer } from "./keys.js";

/** Answers a request instead of the portal. */
export type Answer = (req: IncomingMessage, res: ServerResponse) => void;

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
export type Writing = (json: string) => Written;

/** What is sent instead. */
export interface Written {
  /** As it goes over the wire. */
  body: string | Buffer;
  /** Those of the answer. */
  headers: Record<string, string>;
}

type Change<T> = (sent: T) => unknown;

/** What the portal has been asked to do wrong, and has not done yet. */
export class Mischief {
  readonly #answers = new Map<string, Answer[]>();
  readonly idTokens: IdTokenChanges[] = [];
  readonly tokenAnswers: Record<string, unknown>[] = [];
  readonly writings: Writing[] = [];
  aheadSeconds = 0;
  /** How long an answer takes, in milliseconds: by path, or for all. */
  readonly delays = new Map<string | undefined, number>();
  readonly discovery = new Standing<Record<string, unknown>>();
  readonly keys = new Standing<{ keys: unknown[] }>();

  answerNext(path: string, answer: Answer, times: number): void {
    const waiting = this.#answers.get(path) ?? [];
    waiting.push(...new Array<Answer>(times).fill(answer));
    this.#answers.set(path, waiting);
  }

  /** What waits is forgotten; what is said from now on is as it should be. */
  behave(): void {
    this.#answers.clear();
    for (const waiting of [this.idTokens, this.tokenAnswers, this.writings]) waiting.length = 0;
    for (const standing of [this.discovery, this.keys]) standing.becomes(undefined);
    this.delays.clear();
    this.aheadSeconds = 0;
  }

  /** What it has been asked to do, and nobody has met yet. */
  get unmet(): string[] {
    return [
      ...[...this.#answers].flatMap(([path, waiting]) => waiting.map(() => path)),
      ...this.idTokens.map(() => "an ID token"),
      ...this.tokenAnswers.map(() => "members of a token answer"),
      ...this.writings.map(() => "a token answer's writing"),
      ...(this.discovery.isUnmet ? ["the discovery document"] : []),
      ...(this.keys.isUnmet ? ["the keys"] : []),
    ];
  }

  takeAnswer(path: string): Answer | undefined {
    return this.#answers.get(path)?.shift();
  }
}

/** What is sent from now on, and not only the next time. */
class Standing<T> {
  #change: Change<T> | undefined;
  isUnmet = false;

  becomes(change: Change<T> | undefined): void {
    this.#change = change;
    this.isUnmet = change !== undefined;
  }

  /** A change may return another thing altogether, or alter what it was given and return nothing. */
  of(original: T): unknown {
    this.isUnmet = false;
    const changed = this.#change?.(original);
    return changed === undefined ? original : changed;
  }
}
