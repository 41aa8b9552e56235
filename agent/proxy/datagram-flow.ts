import type { Duplex } from 'node:stream';
import { createCapsuleReader, encodeDatagram } from '../../src/contract/datagram-capsules.ts';

/** Datagrams of a flow that is not open yet: what a program sends before it waits for an answer. */
const maxWaiting = 16;
/** Beyond this the session does not keep up, and datagrams are lost as in any network. */
const maxQueuedBytes = 1024 * 1024;
/** Programs ask again and again where nobody answers; not each time is worth asking the gateway. */
export const pauseAfterRefusalMs = 2000;

/** What one program sends to one place. */
export interface DatagramFlow {
  send(payload: Buffer): void;
  end(): void;
  /** Whether it was ever open. */
  readonly ended: Promise<boolean>;
}

/**
 * Begins a flow at its first datagram. What comes while the way is opened waits for it, up to a bound.
 * @param open undefined where it was refused; never rejects.
 * @param deliver gets each answer, until the flow is ended.
 */
export function startDatagramFlow(
  open: () => Promise<Duplex | undefined>,
  deliver: (payload: Buffer) => void,
): DatagramFlow {
  let waiting: Buffer[] | undefined = [];
  let stream: Duplex | undefined;
  let isOver = false;
  const ended = Promise.withResolvers<boolean>();
  const write = (payload: Buffer): void => {
    if (stream !== undefined && stream.writableLength < maxQueuedBytes) stream.write(encodeDatagram(payload));
  };
  const carry = (opened: Duplex | undefined): void => {
    if (opened === undefined || isOver) {
      waiting = undefined;
      opened?.destroy();
      return ended.resolve(false);
    }
    stream = opened;
    const reader = createCapsuleReader((payload) => {
      if (!isOver) deliver(payload);
    });
    opened.on('data', (piece: Buffer) => {
      try {
        reader.read(piece);
      } catch (error) {
        opened.destroy(error as Error);
      }
    });
    opened.on('error', () => undefined);
    opened.once('end', () => opened.end());
    opened.once('close', () => {
      stream = undefined;
      ended.resolve(true);
    });
    for (const payload of waiting ?? []) write(payload);
    waiting = undefined;
    if (opened.destroyed) ended.resolve(true);
  };
  open().then(carry, () => carry(undefined));
  return {
    ended: ended.promise,
    send(payload) {
      if (waiting === undefined) write(payload);
      else if (waiting.length < maxWaiting) waiting.push(payload);
    },
    end() {
      isOver = true;
      stream?.destroy();
    },
  };
}
