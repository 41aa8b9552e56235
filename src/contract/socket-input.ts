import type { OnReadOpts } from 'node:net';

/** What one read of a socket brings at most, also one that was told to stop meanwhile. */
const roomBytes = 64 * 1024;
/** Of a socket that brings much: what comes in one turn goes on together, in fewer and larger writes. There are two. */
const regionBytes = 3 * roomBytes;
/** A read of this size, which is a full record of TLS, shows that much is to come; a turn of less, that it is over. */
const busyBytes = 16 * 1024;

/**
 * Takes bytes that came. What is lent stays as it is until the promise that this returns resolves; what is not is the
 * taker's. Nothing more is read until then.
 */
export type TakeInput = (bytes: Buffer, isLent: boolean) => Promise<void> | undefined;

/** Where a socket puts what it reads, and who gets it. */
export interface SocketInput {
  /** For the socket that is read, when it is made. */
  readonly onread: OnReadOpts;
  use(take: TakeInput): void;
  /** Resolves when all that came was handed over, and none of it is held any more. For when nothing more will come. */
  drained(): Promise<void>;
}

/** A socket that brings little puts it here, and it is copied at once. */
const scratch = Buffer.allocUnsafeSlow(roomBytes);

/**
 * Reads a socket that brings much into the same memory, again and again. Node's way, a buffer for each piece of 16 or
 * 64 KiB, costs a bulk transfer a third of its time in collections of garbage.
 * @param resume lets the socket be read again.
 */
export function createSocketInput(resume: () => void): SocketInput {
  let region: Buffer | undefined;
  /** Where the next read goes while somebody still needs what is in the first. */
  let other: Buffer | undefined;
  /** What came into the region and was not passed is between these. */
  let start = 0;
  let end = 0;
  let isBusy = false;
  let isDue = false;
  let holds = 0;
  let take: TakeInput = () => undefined;
  let whenDrained: PromiseWithResolvers<void> | undefined;

  const hand = (bytes: Buffer, isLent: boolean): void => {
    const held = take(bytes, isLent);
    if (held === undefined) return;
    holds += 1;
    void held.then(() => {
      holds -= 1;
      pass();
      if (holds > 0) return;
      resume();
      whenDrained?.resolve();
    });
  };
  const pass = (): void => {
    isDue = false;
    if (region === undefined || start === end || holds > 0) return;
    const bytes = region.subarray(start, end);
    isBusy = bytes.length >= busyBytes;
    start = end;
    hand(bytes, true);
  };
  /** Nothing waits to be passed: the next read may go to any place that nobody needs. */
  const beginAnew = (): void => {
    start = 0;
    end = 0;
    if (holds > 0 && region !== undefined)
      [region, other] = [other ?? Buffer.allocUnsafeSlow(regionBytes), region];
    else if (isBusy) region ??= Buffer.allocUnsafeSlow(regionBytes);
    else [region, other] = [undefined, undefined];
  };
  return {
    onread: {
      // Node asks for the place of the next read as soon as it has told of the last one, and until then uses that.
      buffer: () => {
        if (start === end) beginAnew();
        if (region === undefined) return scratch;
        // More came than a socket should bring that was told to stop; nothing may be written over.
        if (end === region.length) region = Buffer.concat([region], region.length + roomBytes);
        return region.subarray(end, end + roomBytes);
      },
      callback: (count, bytes) => {
        if (bytes === scratch) {
          isBusy = count >= busyBytes;
          hand(Buffer.from(scratch.subarray(0, count)), false);
          return holds === 0;
        }
        end += count;
        if (region === undefined || region.length - end < roomBytes) pass();
        else if (!isDue) {
          isDue = true;
          setImmediate(pass);
        }
        return holds === 0;
      },
    },
    use: (taker) => {
      take = taker;
    },
    drained: () => {
      pass();
      if (holds === 0) return Promise.resolve();
      whenDrained ??= Promise.withResolvers();
      return whenDrained.promise;
    },
  };
}
