import { constants } from 'node:http2';
import type { ClientHttp2Stream } from 'node:http2';
import type { Writable } from 'node:stream';
import type { GatewaySession } from '../session/gateway-session.ts';

/** Final answer of the gateway on a stream. */
export interface StreamAnswer {
  readonly status: number;
  /** Flat list of names and values, pseudo-header fields included. */
  readonly rawHeaders: readonly string[];
}

/** The stream ended, or its time did, without a final answer. */
export class NoAnswer extends Error {
  override readonly name = 'NoAnswer';
  readonly timedOut: boolean;
  constructor(message: string, timedOut: boolean) {
    super(message);
    this.timedOut = timedOut;
  }
}

/** Waits for the final answer. Without a limit it waits as long as the stream lives. */
export function awaitAnswer(stream: ClientHttp2Stream, limitMs?: number): Promise<StreamAnswer> {
  return new Promise((resolve, reject) => {
    const fail = (message: string, timedOut = false): void => {
      clearTimeout(timer);
      reject(new NoAnswer(message, timedOut));
    };
    const timer =
      limitMs === undefined
        ? undefined
        : setTimeout(() => {
            fail('no answer in time', true);
            breakOff(stream);
          }, limitMs);
    stream.once('response', (headers, _flags, rawHeaders) => {
      clearTimeout(timer);
      resolve({ status: headers[':status'] ?? 0, rawHeaders: rawHeaders ?? [] });
    });
    // Stays for the life of the stream: what ends it early is told by its close.
    stream.on('error', (error: Error) => fail(error.message));
    stream.once('close', () => fail('stream closed'));
  });
}

/** Up to `limit` bytes of an answer's body; what is beyond is cut off. */
export async function readBody(stream: ClientHttp2Stream, limit: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      chunks.push(chunk);
      length += chunk.length;
      if (length >= limit) break;
    }
  } catch {
    // What arrived is what there is.
  }
  return Buffer.concat(chunks).subarray(0, limit);
}

/**
 * Breaks a stream off so that the peer sees a reset. `stream.close(code)` would not do: Node first ends an open writable
 * side, and half an upload or half a tunnel would arrive with the mark of a whole one.
 */
export function breakOff(stream: ClientHttp2Stream): void {
  stream.on('error', () => {});
  if (!stream.closed && !stream.destroyed) stream.destroy(new Error('broken off'));
}

/**
 * Pipes what arrives on a stream, and ends the destination only where the peer ended the stream. Node also emits `end`
 * on a stream that the peer reset; passed on, half an answer would look like a whole one.
 */
export function pipeWhole(stream: ClientHttp2Stream, to: Writable, onBroken: () => void): void {
  let isWhole = false;
  stream.on('error', () => {});
  stream.once('end', () => {
    if (stream.rstCode !== constants.NGHTTP2_NO_ERROR) return onBroken();
    isWhole = true;
    to.end();
  });
  stream.once('close', () => {
    if (!isWhole) onBroken();
  });
  stream.pipe(to, { end: false });
}

/** True when the same question may be put again on another session: this one died under it. */
export const isSessionLost = (session: GatewaySession): boolean => !session.isUsable();
