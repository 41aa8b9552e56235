import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MalformedCapsule } from '../../src/contract/capsules.ts';
import {
  createStreamReader,
  dataHead,
  finalCapsule,
  tokenCapsule,
} from '../../src/contract/stream-capsules.ts';

function readAll(...pieces: readonly Buffer[]): { data: string; ends: number; tokens: string[] } {
  const read = { data: '', ends: 0, tokens: [] as string[] };
  const reader = createStreamReader({
    onData: (part) => (read.data += part.toString('hex')),
    onFinal: () => (read.ends += 1),
    onToken: (token) => read.tokens.push(token),
  });
  for (const piece of pieces) reader.read(piece);
  return read;
}

const data = (payload: Buffer): Buffer => Buffer.concat([dataHead(payload.length), payload]);
const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');

describe('capsules of a tunnel of bytes', () => {
  it('are read as they were written, however the stream is cut', () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 8 }),
        fc.string({ maxLength: 80, unit: 'binary-ascii' }),
        fc.array(fc.nat({ max: 2000 }), { maxLength: 12 }),
        (payloads, token, cuts) => {
          const capsules = payloads.map((payload) => data(Buffer.from(payload)));
          const stream = Buffer.concat([...capsules, tokenCapsule(token), finalCapsule]);
          const places = [
            0,
            ...cuts.filter((cut) => cut < stream.length).sort((a, b) => a - b),
            stream.length,
          ];
          const pieces = places.slice(1).map((end, index) => stream.subarray(places[index], end));
          expect(readAll(...pieces)).toEqual({
            data: Buffer.concat(payloads).toString('hex'),
            ends: 1,
            tokens: [token],
          });
        },
      ),
    );
  });

  it('of other types are skipped, and lengths may be written longer than they need to be', () => {
    // Type 1 of three octets; then DATA with its length in eight octets.
    expect(readAll(hex('01 03 aabbcc a028d7f0 c000000000000002 0102'))).toMatchObject({ data: '0102' });
  });

  it.each([
    ['data behind the end', Buffer.concat([finalCapsule, data(Buffer.from('x'))])],
    ['a second end', Buffer.concat([finalCapsule, finalCapsule])],
    ['a token of 16 KiB and more', hex('a0507374 80004001')],
    ['a capsule of another type that is without end', hex('01 bfffffff')],
  ])('are refused for %s', (_what, wrong) => {
    expect(() => readAll(wrong)).toThrow(MalformedCapsule);
  });
});
