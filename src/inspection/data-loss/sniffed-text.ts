import type { TextReader } from './text-readers.ts';

/** Enough to tell text from what is none; a picture or an archive shows it in the first few. */
const neededBytes = 1024;

/** A reader that finds out whether there is anything to read. */
export interface SniffingReader extends TextReader {
  /** False once it was found to be no text; until then it may be. */
  readonly isText: boolean;
}

/**
 * Reads what does not say to be text, if it looks like it: browsers call a table `application/vnd.ms-excel` or
 * `application/octet-stream`, as the programs on the laptop have it. What is none gives no text.
 */
export function createSniffingReader(decoder: TextReader): SniffingReader {
  let begun: Uint8Array | undefined = new Uint8Array();
  let isText = true;
  const decide = (isWhole: boolean): string => {
    const first = begun ?? new Uint8Array();
    if (!isWhole && first.length < neededBytes) return '';
    begun = undefined;
    isText = looksLikeText(first, isWhole);
    return isText ? decoder.read(first) : '';
  };
  return {
    get isText() {
      return isText;
    },
    read(bytes) {
      if (begun !== undefined) {
        begun = Buffer.concat([begun, bytes]);
        return decide(false);
      }
      return isText ? decoder.read(bytes) : '';
    },
    end() {
      const last = begun === undefined ? '' : decide(true);
      return isText ? last + decoder.end() : '';
    },
  };
}

/** Of the octets of a text in an alphabet of eight bits, at most so many are no ASCII. */
const mostBeyondAscii = 0.3;

/** UTF-16 with its mark, or UTF-8 or an alphabet of eight bits without the characters that text does not have. */
function looksLikeText(bytes: Uint8Array, isWhole: boolean): boolean {
  const [one, two] = bytes;
  if ((one === 0xff && two === 0xfe) || (one === 0xfe && two === 0xff)) return true;
  if (bytes.some(isControl) || beginsAsPdf(bytes)) return false;
  if (bytes.filter((octet) => octet >= 0x80).length <= bytes.length * mostBeyondAscii) return true;
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes, { stream: !isWhole });
    return true;
  } catch {
    return false;
  }
}

/** Other than blanks, line ends and the escape of terminals. */
const isControl = (octet: number): boolean =>
  octet < 0x09 || (octet > 0x0d && octet < 0x20 && octet !== 0x1b) || octet === 0x7f;

/** It may hold no control characters for long. */
const beginsAsPdf = (bytes: Uint8Array): boolean =>
  [0x25, 0x50, 0x44, 0x46, 0x2d].every((octet, index) => bytes[index] === octet);
