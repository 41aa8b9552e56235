import type { OnReadOpts } from 'node:net';

/** What one read of a socket brings at most, also one that was told to stop meanwhile. */
const roomBytes = 64 * 1024;
/** So much is collected before it goes on within one turn: fewer and larger writes halve the cost of a byte. */
const batchBytes = 256 * 1024;
/** For answers, before a tunnel is open; and for a tunnel. */
const regionBytes = { small: 2 * roomBytes, bulk: batchBytes + 4 * roomBytes } as const;

/** Takes bytes. They stay as they are until the promise that it returns resolves, and nothing is read until then. */
type Take = (bytes: Buffer) => Promise<void> | undefined;

export interface LineInput {
  /** For the socket that is read. */
  readonly onread: OnReadOpts;
  /** Says who gets what comes: at once, or where it is bulk, all that came in a turn at its end. */
  use(take: Take, isBulk: boolean): void;
  /** Passes what still waits for the end of its turn. False where it has to wait for the bytes before it. */
  flush(): boolean;
}

/**
 * Reads a socket into one region of memory, again and again. Node's way, a buffer for each piece of 16 KiB, costs a bulk
 * transfer a third of its time in collections of garbage.
 * @param resume lets the socket be read again.
 */
export function createLineInput(resume: () => void): LineInput {
  let region = Buffer.allocUnsafeSlow(regionBytes.small);
  /** What came and was not passed is between these; the next read has been told to go on at `end`. */
  let start = 0;
  let end = 0;
  let isDue = false;
  let isHeld = false;
  let isBulk = false;
  let take: Take = () => undefined;

  const pass = (): void => {
    isDue = false;
    if (start === end || isHeld) return;
    const upTo = end;
    const held = take(region.subarray(start, upTo));
    if (held === undefined) {
      start = upTo;
      return;
    }
    isHeld = true;
    void held.then(() => {
      isHeld = false;
      start = upTo;
      pass();
      if (!isHeld) resume();
    });
  };
  return {
    onread: {
      // Node asks for the place of the next read as soon as it has told of the last one.
      buffer: () => {
        if (start === end && !isHeld) {
          start = 0;
          end = 0;
          if (isBulk && region.length < regionBytes.bulk) region = Buffer.allocUnsafeSlow(regionBytes.bulk);
        }
        // More came than a socket should bring that was told to stop; nothing may be written over.
        if (end === region.length) region = Buffer.concat([region], region.length + roomBytes);
        return region.subarray(end, end + roomBytes);
      },
      callback: (count) => {
        end += count;
        if (!isBulk || end - start >= batchBytes || region.length - end < 2 * roomBytes) pass();
        else if (!isDue) {
          isDue = true;
          setImmediate(pass);
        }
        return !isHeld;
      },
    },
    use: (taker, bulk) => {
      take = taker;
      isBulk = bulk;
    },
    flush: () => {
      pass();
      return !isHeld;
    },
  };
}
