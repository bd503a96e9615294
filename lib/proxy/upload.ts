import type { IncomingMessage } from "node:http";
import { Readable, Transform, type TransformCallback } from "node:stream";
import { PortalAuthError } from "../errors/portal-auth-error.js";

const MAX_BUFFERED_BYTES = 64 * 1024;

/** A body on its way, which is kept as long as it is small, as it may have to be sent again. Emits `piece` for each piece. */
export class Upload extends Transform {
  #pieces: Buffer[] | undefined = [];
  #bytes = 0;
  #resolveWhole: (whole: Buffer | undefined) => void = () => {};

  /** The body from its beginning to its end, when that has come; undefined where it is too long or broke off. */
  readonly whole = new Promise<Buffer | undefined>((resolve) => {
    this.#resolveWhole = resolve;
  });

  override _transform(piece: Buffer, _encoding: BufferEncoding, passOn: TransformCallback): void {
    this.#bytes += piece.length;
    if (this.#bytes > MAX_BUFFERED_BYTES) this.#discardBuffer();
    else this.#pieces?.push(piece);
    this.emit("piece");
    passOn(null, piece);
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
 * Takes the body of a request, at once: of what flows to others meanwhile nothing would be left.
 *
 * @throws PortalAuthError `proxy_body_consumed` when somebody has read it
 */
export function startUpload(req: IncomingMessage): Upload {
  if (req.readableDidRead) throw new PortalAuthError("proxy_body_consumed", { detail: `${req.method}` });
  return req.pipe(new Upload());
}

/** A body that is known, as a stream. */
export const toStream = (body: Buffer): Readable =>
  Readable.from(body.length > 0 ? [body] : [], { objectMode: false });
