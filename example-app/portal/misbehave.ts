import type { IncomingMessage, ServerResponse } from "node:http";
import type { Signer } from "./keys.js";

export type Answer = (req: IncomingMessage, res: ServerResponse) => void;

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
export type Writing = (json: string) => { body: string | Buffer; headers: Record<string, string> };

type Change<T> = (sent: T) => unknown;

/** What the portal has been asked to do wrong, and has not done yet. */
export class Mischief {
  readonly #answers = new Map<string, Answer[]>();
  readonly idTokens: IdTokenChanges[] = [];
  readonly tokenAnswers: Record<string, unknown>[] = [];
  readonly writings: Writing[] = [];
  aheadSeconds = 0;
  discovery: Change<Record<string, unknown>> = (document) => document;
  keys: Change<{ keys: unknown[] }> = (jwks) => jwks;

  answerNext(path: string, answer: Answer, times: number): void {
    const waiting = this.#answers.get(path) ?? [];
    waiting.push(...new Array<Answer>(times).fill(answer));
    this.#answers.set(path, waiting);
  }

  /** What waits is forgotten; what is said from now on is as it should be. */
  behave(): void {
    this.#answers.clear();
    for (const waiting of [this.idTokens, this.tokenAnswers, this.writings]) waiting.length = 0;
    this.discovery = (document) => document;
    this.keys = (jwks) => jwks;
    this.aheadSeconds = 0;
  }

  takeAnswer(path: string): Answer | undefined {
    return this.#answers.get(path)?.shift();
  }
}

/** A change may return another thing altogether, or alter what it was given and return nothing. */
export function altered<T>(change: Change<T>, original: T): unknown {
  const changed = change(original);
  return changed === undefined ? original : changed;
}
