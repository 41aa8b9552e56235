import {
  createBrotliDecompress,
  createGunzip,
  createInflate,
  createInflateRaw,
  createZstdDecompress,
} from 'node:zlib';
import type { Transform } from 'node:stream';

/** Takes a content coding (RFC 9110, section 8.4) off a body as it comes. */
export interface BodyDecoder {
  /** Kept once what this piece holds was handed on, and whoever got it is ready for more. */
  write(piece: Buffer): Promise<void>;
  /** True: it ended where its coding does, with nothing broken before and nothing behind it. */
  end(): Promise<boolean>;
  abort(): void;
}

type Engine = Transform & { readonly bytesWritten: number };

const engines: Readonly<Record<string, (first: Buffer) => Engine>> = {
  gzip: () => createGunzip(),
  'x-gzip': () => createGunzip(),
  // RFC 9110, section 8.4.1.2: it should be zlib's form, and some senders leave that away.
  deflate: (first) => (hasZlibHeader(first) ? createInflate() : createInflateRaw()),
  br: () => createBrotliDecompress(),
  zstd: () => createZstdDecompress(),
};

/** RFC 1950, section 2.2. */
const hasZlibHeader = (first: Buffer): boolean =>
  ((first[0] ?? 0) & 0x0f) === 8 && (first.length < 2 || first.readUInt16BE(0) % 31 === 0);

/** Whether a body in that one coding can be read. */
export const isDecodable = (coding: string): boolean => Object.hasOwn(engines, coding);

/**
 * Hands on what is decoded in pieces of bounded size, at the speed of who gets them, so that a small body that unpacks to a
 * huge one takes no more memory than another.
 * @param sink as BodyInspector.write.
 */
export function createBodyDecoder(
  coding: string,
  sink: (piece: Buffer) => Promise<void> | undefined,
): BodyDecoder {
  let engine: Engine | undefined;
  let isBroken = false;
  let isAborted = false;
  let received = 0;
  /** The piece that is being decoded. */
  let decoded: (() => void) | undefined;
  const ended = Promise.withResolvers<void>();
  const start = (first: Buffer): Engine => {
    const made = engines[coding]?.(first);
    if (made === undefined) throw new TypeError(`no decoder for ${coding}`);
    made.on('data', (piece: Buffer) => {
      const pause = sink(piece);
      if (pause === undefined) return;
      made.pause();
      void pause.then(() => made.resume());
    });
    made.on('error', () => (isBroken = true));
    made.once('close', () => {
      ended.resolve();
      // An engine that breaks does not say that it is done with a piece.
      decoded?.();
    });
    return made;
  };
  return {
    write(piece) {
      received += piece.length;
      if (isBroken || isAborted || piece.length === 0 || engine?.destroyed === true) return Promise.resolve();
      const into = (engine ??= start(piece));
      return new Promise((resolve) => {
        decoded = resolve;
        into.write(piece, () => resolve());
      });
    },
    async end() {
      if (engine === undefined) return true;
      engine.end();
      await ended.promise;
      // What is behind the end of the coding some readers take for more of it, and others do not.
      return !isBroken && !isAborted && engine.bytesWritten === received;
    },
    abort() {
      isAborted = true;
      engine?.destroy();
    },
  };
}
