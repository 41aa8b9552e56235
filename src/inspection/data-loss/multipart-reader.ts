/** What a part of a form in parts says of itself. */
export interface PartHead {
  /** Its Content-Type; undefined where there is none. */
  readonly contentType: string | undefined;
  readonly isFile: boolean;
  /** In base64, which forms do without (RFC 7578, section 4.7) and mail does not. */
  readonly isEncoded: boolean;
}

export interface PartReader {
  read(bytes: Uint8Array): void;
  end(): void;
}

const maxHeadBytes = 16_384;

/** What is around the parts, or is no form at all: more forgiving readers than this one find parts in it. */
const around: PartHead = { contentType: 'text/plain', isFile: false, isEncoded: false };

/**
 * Takes a form in parts (RFC 7578) apart as it comes; of what is in them nothing is held but what may be the beginning of a
 * boundary. What is in none of them is a text of its own.
 * @param open gets a part; undefined: nobody looks at it.
 */
export function createMultipartReader(
  boundary: string,
  open: (head: PartHead) => PartReader | undefined,
): PartReader {
  const delimiter = Buffer.from(`\r\n--${boundary}`, 'latin1');
  // The first stands at the beginning, without a line end before it.
  let waiting = Buffer.from('\r\n', 'latin1');
  let state: 'preamble' | 'part' | 'delimiter' | 'head' | 'epilogue' = 'preamble';
  let part: PartReader | undefined = open(around);

  const endPart = (): void => {
    part?.end();
    part = undefined;
  };
  const endForm = (): void => {
    state = 'epilogue';
    part = open(around);
  };
  /** @returns false where more is needed. */
  const step = (): boolean => {
    if (state === 'preamble' || state === 'part') {
      const found = waiting.indexOf(delimiter);
      const passing = found === -1 ? Math.max(0, waiting.length - delimiter.length + 1) : found;
      part?.read(waiting.subarray(0, passing));
      waiting = waiting.subarray(found === -1 ? passing : found + delimiter.length);
      if (found === -1) return false;
      endPart();
      state = 'delimiter';
      return true;
    }
    if (state === 'delimiter') {
      if (waiting.length < 2) return false;
      if (waiting.toString('latin1', 0, 2) === '--') endForm();
      else state = 'head';
      return true;
    }
    if (state === 'head') {
      const end = waiting.indexOf('\r\n\r\n');
      if (end === -1) {
        if (waiting.length > maxHeadBytes) endForm();
        return waiting.length > maxHeadBytes;
      }
      part = open(readHead(waiting.toString('latin1', 0, end)));
      // A part may be empty: its boundary takes the last line end.
      waiting = waiting.subarray(end + 2);
      state = 'part';
      return true;
    }
    part?.read(waiting);
    waiting = Buffer.alloc(0);
    return false;
  };

  return {
    read(bytes) {
      waiting = Buffer.concat([waiting, bytes]);
      while (step());
      // A copy: it may be part of a large piece.
      waiting = Buffer.from(waiting);
    },
    end() {
      // Broken off within the head of a part.
      if (state === 'delimiter' || state === 'head') endForm();
      part?.read(waiting);
      endPart();
    },
  };
}

function readHead(text: string): PartHead {
  const [, contentType] = /(?:^|\r\n)content-type:[ \t]*([^\r\n]*)/i.exec(text) ?? [];
  const isEncoded = /(?:^|\r\n)content-transfer-encoding:[ \t]*base64/i.test(text);
  return {
    contentType,
    isEncoded,
    isFile: /(?:^|\r\n)content-disposition:[^\r\n]*;[ \t]*filename\*?=/i.test(text),
  };
}
