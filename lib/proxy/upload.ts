import type { IncomingMessage } from "node:http";
import { Readable, Transform, type TransformCallback } from "node:stream";
import { PortalAuthError } from "../errors/portal-auth-error.js";

const MAX_BUFFERED_BYTES = 64 * 1024;

/**
 * Passes a request body on and buffers it while it is small, because it may be needed for a retry. Emits
 * `piece` for each piece.
 */
export class Upload extends Transform {
  #pieces: Buffer[] | undefined = [];
  #bytes = 0;
  #resolveWhole: (whole: Buffer | undefined) => void = () => {};

  /** Resolves to the whole body at its end; undefined if the body is too long or broke off. */
  readonly whole = new Promise<Buffer | undefined>((resolve) => {
    this.#resolveWhole = resolve;
  });

  override _transform(piece: Buffer, _encoding: BufferEncoding, forward: TransformCallback): void {
    this.#bytes += piece.length;
    if (this.#bytes > MAX_BUFFERED_BYTES) this.#discardBuffer();
    else this.#pieces?.push(piece);
    this.emit("piece");
    forward(null, piece);
  }

  override _flush(end: TransformCallback): void {
    this.#resolveWhole(this.#pieces && Buffer.concat(this.#pieces));
    end();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#discardBuffer();
    done(error);
  }

  #discardBuffer(): void {
    this.#pieces = undefined;
    this.#resolveWhole(undefined);
  }
}

/**
 * Starts to read the body of a request. It must be called before the first `await`, because pieces that flow
 * to other listeners earlier would be lost.
 *
 * @throws PortalAuthError `proxy_body_consumed` if other code has read the body
 */
export function startUpload(req: IncomingMessage): Upload {
  if (req.readableDidRead) throw new PortalAuthError("proxy_body_consumed", { detail: `${req.method}` });
  return req.pipe(new Upload());
}

/** Returns a buffered body as a stream. */
export const toStream = (body: Buffer): Readable =>
  Readable.from(body.length > 0 ? [body] : [], { objectMode: false });
