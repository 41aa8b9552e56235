import { createPrefix } from '../prefix.ts';
import { unexpected } from './recognizer.ts';
import type { Reading, Recognizer } from './recognizer.ts';

/**
 * RDP: the X.224 Connection Request in a TPKT and its confirmation ([MS-RDPBCGR] 2.2.1.1 and 2.2.1.2). The TLS that most
 * then speak begins behind them.
 */
export const createRdpRecognizer = (): Recognizer => ({
  client: recognizeSide(0xe0, isRequestEnd),
  upstream: recognizeSide(0xd0, isConfirmEnd),
});

const headBytes = 11;
/** Its length indicator is one octet, and does not count itself nor the four of the TPKT. */
const maxBytes = 4 + 1 + 254;

function recognizeSide(code: number, isEnd: (rest: Buffer) => boolean): (bytes: Uint8Array) => Reading {
  const add = createPrefix(maxBytes);
  return (bytes) => {
    const all = add(bytes);
    const [version, , high = 0, low = 0, indicator, type] = all;
    if (version !== 3) return unexpected('no RDP connection request');
    if (indicator === undefined) return 'more';
    const length = high * 256 + low;
    const isFitting = length >= headBytes && length <= maxBytes && indicator === length - 5;
    // The lower half of the code is a credit, which class 0 has none of.
    if (!isFitting || (type !== undefined && type !== code)) return unexpected('no RDP connection request');
    if (all.length < length) return 'more';
    return isEnd(all.subarray(headBytes, length)) ? 'yes' : unexpected('a malformed RDP connection request');
  };
}

/** A cookie or a routing token, then what the client can do. */
function isRequestEnd(rest: Buffer): boolean {
  const text = rest.toString('latin1');
  const [line = ''] = /^[ -~]+\r\n/.exec(text) ?? [];
  const negotiation = rest.subarray(line.length);
  return negotiation.length === 0 || isNegotiation(negotiation, [0x01]);
}

/** What the server has chosen, or why it cannot; older ones say neither. */
const isConfirmEnd = (rest: Buffer): boolean => rest.length === 0 || isNegotiation(rest, [0x02, 0x03]);

/** RDP_NEG_REQ, which a correlation may follow (2.2.1.1.2), and its answers. */
const isNegotiation = (bytes: Buffer, types: readonly number[]): boolean =>
  types.includes(bytes[0] ?? 0) &&
  bytes[2] === 8 &&
  bytes[3] === 0 &&
  (bytes.length === 8 || bytes.length === 44);
