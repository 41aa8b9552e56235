import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { toDer } from '../../certs/ber.ts';
import { DerError, encodeDer, readChildren, readDocument } from '../../certs/der.ts';

/** A tree of SEQUENCEs and OCTET STRINGs. */
type Tree = Buffer | readonly Tree[];
const trees = fc.letrec<{ tree: Tree }>((tie) => ({
  tree: fc.oneof(
    { maxDepth: 4 },
    fc.uint8Array({ maxLength: 200 }).map((bytes): Tree => Buffer.from(bytes)),
    fc.array(tie('tree'), { maxLength: 4 }),
  ),
})).tree;
const asDer = (tree: Tree): Buffer =>
  Buffer.isBuffer(tree) ? encodeDer(0x04, tree) : encodeDer(0x30, ...tree.map(asDer));
/** The same with lengths that are indefinite, or of four octets, and strings in two pieces. */
const asBer = (tree: Tree): Buffer => {
  if (!Buffer.isBuffer(tree))
    return Buffer.concat([Buffer.from([0x30, 0x80]), ...tree.map(asBer), Buffer.alloc(2)]);
  const [head, tail] = [tree.subarray(0, 3), tree.subarray(3)].map((bytes) =>
    Buffer.concat([Buffer.from([0x04, 0x84, 0, 0, 0, bytes.length]), bytes]),
  );
  return Buffer.concat([Buffer.from([0x24, 0x80]), head ?? tree, tail ?? tree, Buffer.alloc(2)]);
};

describe('a document in BER', () => {
  it('has the same DER however it is written, and DER stays as it is', () => {
    fc.assert(
      fc.property(trees, (tree) => {
        expect(toDer(asBer(tree)).equals(asDer(tree))).toBe(true);
        expect(toDer(asDer(tree)).equals(asDer(tree))).toBe(true);
      }),
    );
  });

  it('is refused as a DerError or comes out as strict DER, whatever it is', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        let der;
        try {
          der = toDer(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(DerError);
          return;
        }
        if (der[0] === 0x30) readChildren(der, readDocument(der), 64);
        expect(toDer(der).equals(der)).toBe(true);
      }),
      { numRuns: 2000 },
    );
  });

  it.each([
    ['without its end', '3080040100'],
    ['whose string never ends', '0480'],
    ['with bytes after it', '30000500'],
    ['with an end where none belongs', '30020000'],
    ['with a piece that is no string', '2480020101 0000'],
    ['longer than what holds it', '3003040501'],
    ['deeper than any message', '3080'.repeat(40) + '0000'.repeat(40)],
  ])('%s is refused', (_name, hex) => {
    expect(() => toDer(Buffer.from(hex.replaceAll(' ', ''), 'hex'))).toThrow(DerError);
  });
});
