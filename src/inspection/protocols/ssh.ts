import { createPrefix } from '../prefix.ts';
import { unexpected } from './recognizer.ts';
import type { Reading, Recognizer } from './recognizer.ts';

/**
 * SSH: the identification of each side (RFC 4253, section 4.2), and behind it the head of its first packet, which begins
 * the key exchange. The identification has to pass before that, since either side may wait for the other's.
 */
export const createSshRecognizer = (): Recognizer => ({
  client: recognizeSide(0),
  // A server may say something else first.
  upstream: recognizeSide(16_384),
});

/** With its line end. */
const maxIdentificationBytes = 255;
const maxPacketBytes = 262_144;
/** Disconnect, ignore, unimplemented, debug; key exchange. */
const firstMessages = new Set([1, 2, 3, 4, 20]);

/** @param maxBytesBefore of lines before the identification. */
function recognizeSide(maxBytesBefore: number): (bytes: Uint8Array) => Reading {
  const add = createPrefix(maxBytesBefore + maxIdentificationBytes + 6);
  let lineStart = 0;
  let isIdentified = false;

  return (bytes) => {
    const all = add(bytes);
    while (!isIdentified) {
      const end = all.indexOf('\n', lineStart);
      const line = all.subarray(lineStart, end === -1 ? all.length : end + 1);
      const isOwn = line.subarray(0, 4).equals(Buffer.from('SSH-').subarray(0, line.length));
      if (!isOwn && (lineStart + line.length > maxBytesBefore || !isText(line)))
        return unexpected('no SSH identification');
      if (isOwn && line.length > maxIdentificationBytes)
        return unexpected('an SSH identification that is too long');
      if (end === -1) return 'more';
      if (isOwn && !/^SSH-(?:2\.0|1\.99)-[ -~\x80-\xff]+\r?\n$/.test(line.toString('latin1')))
        return unexpected('an SSH identification of another version');
      isIdentified = isOwn;
      lineStart = end + 1;
    }
    const [a = 0, b = 0, c = 0, d = 0, padding = 0, message] = all.subarray(lineStart);
    if (message === undefined) return 'pass';
    const length = ((a * 256 + b) * 256 + c) * 256 + d;
    const isPacket = length >= 12 && length <= maxPacketBytes && padding >= 4 && padding < length;
    return isPacket && firstMessages.has(message) ? 'yes' : unexpected('no SSH key exchange');
  };
}

/** Anything that may stand in a line, from the tab to the carriage return, and what can be seen. */
const isText = (line: Buffer): boolean =>
  line.every((octet) => (octet >= 0x09 && octet <= 0x0d) || (octet >= 0x20 && octet !== 0x7f));
