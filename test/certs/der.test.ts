import { X509Certificate } from 'node:crypto';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readCertificate } from '../../certs/certificate-fields.ts';
import { DerError, derTag, encodeDer, readDocument, readElement, readTime } from '../../certs/der.ts';
import { makeOrganization } from '../lab/pki.ts';

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');
const timeOf = (tag: number, text: string): number => {
  const bytes = encodeDer(tag, Buffer.from(text, 'latin1'));
  return readTime(bytes, readElement(bytes, 0, bytes.length));
};

describe('the DER reader', () => {
  it.each([
    ['indefinite length', '3080 0000'],
    ['a length in more octets than it needs', '308101 00'],
    ['a long length with a zero in front', '3082 0080'.padEnd(12 + 256, '0')],
    ['a length of four octets', '308400000000'],
    ['contents that are cut short', '3003 0000'],
    ['bytes after the end', '3000 00'],
    ['a tag number above 30', '3f1f00'],
    ['no length', '30'],
    ['nothing', ''],
  ])('refuses %s', (_title, text) => {
    expect(() => readDocument(hex(text))).toThrow(DerError);
  });

  it('reads what it wrote, at every size where the length changes form', () => {
    for (const size of [0, 1, 127, 128, 255, 256, 65_535]) {
      const bytes = encodeDer(derTag.sequence, Buffer.alloc(size));
      expect(readDocument(bytes)).toMatchObject({ end: bytes.length, content: bytes.length - size });
    }
  });

  it.each([
    [derTag.utcTime, '260101000000Z', Date.UTC(2026, 0, 1)],
    [derTag.utcTime, '491231235959Z', Date.UTC(2049, 11, 31, 23, 59, 59)],
    [derTag.utcTime, '500101000000Z', Date.UTC(1950, 0, 1)],
    [derTag.generalizedTime, '20500101000000Z', Date.UTC(2050, 0, 1)],
    [derTag.utcTime, '240229120000Z', Date.UTC(2024, 1, 29, 12)],
  ])('reads the time %i %s', (tag, text, milliseconds) => {
    expect(timeOf(tag, text)).toBe(milliseconds / 1000);
  });

  it.each([
    [derTag.utcTime, '260230000000Z'],
    [derTag.utcTime, '250229000000Z'],
    [derTag.utcTime, '261301000000Z'],
    [derTag.utcTime, '260101240000Z'],
    [derTag.utcTime, '260101000060Z'],
    [derTag.utcTime, '2601010000Z'],
    [derTag.utcTime, '260101000000+0100'],
    [derTag.utcTime, '26010100000 Z'],
    [derTag.utcTime, '-60101000000Z'],
    [derTag.generalizedTime, '20260101000000Z'],
    [derTag.generalizedTime, '20500101000000.5Z'],
    [derTag.octetString, '260101000000Z'],
  ])('refuses the time %i %s', (tag, text) => {
    expect(() => timeOf(tag, text)).toThrow(DerError);
  });
});

describe('the certificate reader', () => {
  it('throws nothing but DerError, whatever it is given', async () => {
    const organization = await makeOrganization();
    const { raw } = new X509Certificate((await organization.issueDevice()).certificatePem);
    const readOrRefuse = (bytes: Buffer): void => {
      try {
        readCertificate(bytes);
      } catch (error) {
        expect(error).toBeInstanceOf(DerError);
      }
    };
    fc.assert(fc.property(fc.uint8Array({ maxLength: 600 }), (bytes) => readOrRefuse(Buffer.from(bytes))));
    fc.assert(
      fc.property(
        fc.nat(raw.length - 1),
        fc.integer({ min: 0, max: 255 }),
        fc.nat(raw.length),
        (at, value, length) => {
          const changed = Buffer.from(raw);
          changed.writeUInt8(value, at);
          readOrRefuse(changed);
          readOrRefuse(changed.subarray(0, length));
        },
      ),
      { numRuns: 2000 },
    );
  });

  it('agrees with OpenSSL about serial number and times wherever both can read', async () => {
    const organization = await makeOrganization();
    const { raw } = new X509Certificate((await organization.issueDevice()).certificatePem);
    let compared = 0;
    fc.assert(
      fc.property(fc.nat(raw.length - 1), fc.integer({ min: 0, max: 255 }), (at, value) => {
        const changed = Buffer.from(raw);
        changed.writeUInt8(value, at);
        const [ours, theirs] = [() => readCertificate(changed), () => new X509Certificate(changed)].map(
          (read) => {
            try {
              return read();
            } catch {
              return undefined;
            }
          },
        ) as [ReturnType<typeof readCertificate> | undefined, X509Certificate | undefined];
        if (ours === undefined || theirs === undefined || (ours.serialOctets[0] ?? 0) >= 0x80) return;
        compared++;
        expect(theirs.serialNumber.replace(/^0+(?=.)/, '')).toBe(ours.serial);
        expect(Date.parse(theirs.validFrom) / 1000).toBe(ours.notBefore);
        expect(Date.parse(theirs.validTo) / 1000).toBe(ours.notAfter);
      }),
      { numRuns: 2000 },
    );
    expect(compared).toBeGreaterThan(500);
  });
});
