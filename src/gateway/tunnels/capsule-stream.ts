import { Duplex } from 'node:stream';
import { MalformedCapsule } from '../../contract/capsules.ts';
import { createStreamReader, dataHead, finalCapsule } from '../../contract/stream-capsules.ts';

export interface CapsuleHooks {
  /** A token was sent in between. */
  readonly onToken: (token: string) => void;
  /** What comes are no capsules; the stream is of no use any more. */
  readonly onMalformed: (why: string) => void;
}

/** So much may wait for a slow client before its upstream is asked to wait. */
const highWaterMark = 256 * 1024;

/**
 * The bytes in a stream of capsules (connect-tcp) as a stream of their own. Each direction ends with its FINAL_DATA; a
 * connection that is gone before that is a tunnel that broke off.
 */
export function openCapsuleStream(carrier: Duplex, hooks: CapsuleHooks): Duplex {
  return new CapsuleStream(carrier, hooks);
}

class CapsuleStream extends Duplex {
  readonly #carrier: Duplex;
  #isEnded = false;

  constructor(carrier: Duplex, { onToken, onMalformed }: CapsuleHooks) {
    super({ writableHighWaterMark: highWaterMark });
    this.#carrier = carrier;
    const reader = createStreamReader({
      onData: (part) => {
        if (!this.push(part)) carrier.pause();
      },
      onFinal: () => {
        this.#isEnded = true;
        this.push(null);
        // Tokens may still come, for as long as the other direction lasts.
        carrier.resume();
      },
      onToken,
    });
    carrier.allowHalfOpen = true;
    carrier.on('data', (piece: Buffer) => {
      if (this.destroyed) return;
      try {
        reader.read(piece);
      } catch (error) {
        if (!(error instanceof MalformedCapsule)) throw error;
        onMalformed(error.message);
        this.destroy();
      }
    });
    carrier.pause();
    carrier.on('error', () => this.destroy());
    carrier.once('end', () => {
      if (!this.#isEnded) this.destroy();
    });
    carrier.once('close', () => this.destroy());
  }

  override _read(): void {
    this.#carrier.resume();
  }

  override _write(chunk: Buffer, _encoding: unknown, callback: () => void): void {
    this.#send(dataHead(chunk.length), [chunk], callback);
  }

  override _writev(chunks: readonly { readonly chunk: Buffer }[], callback: () => void): void {
    const pieces = chunks.map(({ chunk }) => chunk);
    this.#send(dataHead(pieces.reduce((sum, { length }) => sum + length, 0)), pieces, callback);
  }

  override _final(callback: () => void): void {
    this.#carrier.write(finalCapsule, () => callback());
  }

  override _destroy(error: Error | null, callback: (error: Error | null) => void): void {
    const carrier = this.#carrier;
    if (this.#isEnded && this.writableFinished) carrier.end(() => carrier.destroy());
    else carrier.destroy();
    callback(error);
  }

  /** One capsule, in one write; done when nothing of it is needed any more, since its pieces may be lent. */
  #send(head: Buffer, pieces: readonly Buffer[], callback: () => void): void {
    const carrier = this.#carrier;
    carrier.cork();
    carrier.write(head);
    for (const [index, piece] of pieces.entries())
      carrier.write(piece, index === pieces.length - 1 ? () => callback() : undefined);
    carrier.uncork();
  }
}
