import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MalformedCapsule } from '../../src/contract/capsules.ts';
import {
  createCapsuleReader,
  encodeDatagram,
  maxDatagramBytes,
} from '../../src/contract/datagram-capsules.ts';

function readAll(...pieces: readonly Buffer[]): { datagrams: string[]; isBetween: boolean } {
  const datagrams: string[] = [];
  const reader = createCapsuleReader((payload) => datagrams.push(payload.toString('hex')));
  for (const piece of pieces) reader.read(piece);
  return { datagrams, isBetween: reader.isBetween };
}
const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');

describe('datagram capsules', () => {
  it('are written as RFC 9298 has it: type, length, context zero, payload', () => {
    expect(encodeDatagram(Buffer.from('hello')).toString('hex')).toBe('00060068656c6c6f');
    expect(encodeDatagram(Buffer.alloc(63)).subarray(0, 4).toString('hex')).toBe('00404000');
    expect(encodeDatagram(Buffer.alloc(maxDatagramBytes)).subarray(0, 6).toString('hex')).toBe(
      '008000fff800',
    );
  });

  it('are read back the same wherever the stream is cut into pieces', () => {
    const payload = fc.uint8Array({ maxLength: 200 });
    fc.assert(
      fc.property(fc.array(payload, { maxLength: 8 }), fc.array(fc.nat(400)), (payloads, cuts) => {
        const bytes = Buffer.concat(payloads.map((one) => encodeDatagram(one)));
        const pieces: Buffer[] = [];
        let from = 0;
        for (const cut of cuts.toSorted((a, b) => a - b)) {
          pieces.push(bytes.subarray(from, Math.max(from, cut)));
          from = Math.max(from, cut);
        }
        pieces.push(bytes.subarray(from));
        expect(readAll(...pieces)).toEqual({
          datagrams: payloads.map((one) => Buffer.from(one).toString('hex')),
          isBetween: true,
        });
      }),
    );
  });

  it('are read in each length that a peer may write a number in', () => {
    expect(readAll(hex('4000 4002 00 61'), hex('00 80000002 00 62')).datagrams).toEqual(['61', '62']);
    expect(readAll(hex('00 c000000000000002 00 63'), hex('00 03 4000 64')).datagrams).toEqual(['63', '64']);
  });

  it('of other types and other contexts are passed over, those after them are not', () => {
    expect(readAll(hex('17 03 aabbcc'), hex('00 02 05 61'), hex('00 02 00 62')).datagrams).toEqual(['62']);
    expect(readAll(hex('17 4400'), Buffer.alloc(1023))).toEqual({ datagrams: [], isBetween: false });
    expect(readAll(hex('17 4400'), Buffer.alloc(1024), hex('00 01 00'))).toEqual({
      datagrams: [''],
      isBetween: true,
    });
  });

  it('that are longer than UDP can carry, or have no context, end the reading', () => {
    expect(readAll(encodeDatagram(Buffer.alloc(maxDatagramBytes))).datagrams).toHaveLength(1);
    for (const wrong of [
      '00 80010000',
      '00 8000fff9 00',
      '00 00',
      '00 01 40',
      '17 80100001',
      '17 ffffffffffffffff',
    ])
      expect(() => readAll(hex(wrong), Buffer.alloc(65_600)), wrong).toThrow(MalformedCapsule);
  });

  it('say whether one is only half there', () => {
    expect(readAll(hex('00')).isBetween).toBe(false);
    expect(readAll(hex('00 06 00 68')).isBetween).toBe(false);
    expect(readAll(hex('00 01 00')).isBetween).toBe(true);
  });
});
