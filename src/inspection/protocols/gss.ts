import { createPrefix } from '../prefix.ts';
import { unexpected } from './recognizer.ts';
import type { Reading } from './recognizer.ts';

const maxTokenBytes = 65_536;
/** [APPLICATION 0] of RFC 2743, section 3.1, and the answers of RFC 4178, section 4.2, which stand without it. */
const firstOctets = new Set([0x60, 0xa1]);

/** Either side of PostgreSQL's encryption by GSSAPI: a token behind its length. */
export function createGssRecognizer(): (bytes: Uint8Array) => Reading {
  const add = createPrefix(5);
  return (bytes) => {
    const all = add(bytes);
    if (all.length < 5) return 'more';
    const length = all.readUInt32BE(0);
    const isToken = length > 1 && length <= maxTokenBytes && firstOctets.has(all[4] ?? 0);
    return isToken ? 'yes' : unexpected('no GSSAPI token');
  };
}
