import { verify, X509Certificate } from 'node:crypto';
import { derTag, encodeDer, readChildren, readDocument } from './der.ts';
import { encodePem } from './pem.ts';
import { signerOf } from './signer.ts';
import type { AuthorityCertificate } from './signer.ts';
import { x509 } from './x509-library.ts';

/** A certificate that is not to be accepted any more, though its time has not come. */
export interface RevokedCertificate {
  /** Upper-case hexadecimal without leading zeros. */
  readonly serial: string;
  /** Epoch seconds. */
  readonly revokedAt: number;
  /** Somebody else may have the key; without it nothing is said of why. */
  readonly isCompromised: boolean;
}

export interface RevocationListContent {
  /** Higher than that of every list before (RFC 5280, section 5.2.3). */
  readonly number: bigint;
  /** Epoch seconds. */
  readonly thisUpdate: number;
  readonly nextUpdate: number;
  readonly revoked: readonly RevokedCertificate[];
}

const crlNumber = '2.5.29.20';

/**
 * A complete revocation list (RFC 5280, section 5) of an authority, signed by it, as DER. `certificateHold` is not among
 * its reasons: a reader may keep a list until `nextUpdate`, and many take a hold for the end.
 */
export async function signRevocationList(
  authority: AuthorityCertificate,
  content: RevocationListContent,
): Promise<Buffer> {
  const signer = await signerOf(authority);
  const list = await x509.X509CrlGenerator.create({
    issuer: signer.name,
    thisUpdate: new Date(content.thisUpdate * 1000),
    nextUpdate: new Date(content.nextUpdate * 1000),
    entries: content.revoked.map(({ serial, revokedAt, isCompromised }) => ({
      serialNumber: serial.padStart(serial.length + (serial.length % 2), '0'),
      revocationDate: new Date(revokedAt * 1000),
      ...(isCompromised ? { reason: x509.X509CrlReason.keyCompromise } : {}),
    })),
    // The library adds neither; a list without them is not of the profile that RFC 5280 demands.
    extensions: [signer.keyIdentifier, new x509.Extension(crlNumber, false, encodeInteger(content.number))],
    signingKey: signer.key,
    signingAlgorithm: signer.algorithm,
  });
  return Buffer.from(list.rawData);
}

/** With the label that OpenSSL reads. */
export const revocationListPem = (der: Uint8Array): string => encodePem(der, 'X509 CRL');

function encodeInteger(value: bigint): Buffer {
  const digits = value.toString(16);
  const octets = Buffer.from(digits.padStart(digits.length + (digits.length % 2), '0'), 'hex');
  return encodeDer(derTag.integer, (octets[0] ?? 0) >= 0x80 ? Buffer.alloc(1) : Buffer.alloc(0), octets);
}

/** What somebody else keeps of a list of ours. Times in epoch seconds. */
export interface ReadRevocationList {
  readonly thisUpdate: number;
  /** Absent where a list does not end, which ours do. */
  readonly nextUpdate: number | undefined;
  /** Upper-case hexadecimal without leading zeros. */
  readonly serials: ReadonlySet<string>;
  /** Whether the authority's key signed it: to find out what a list is, not to trust it. */
  readonly isSignedBy: (authorityPem: string) => boolean;
}

/** Reads a list, DER or PEM. @throws Error for what is none. */
export function readRevocationList(bytes: Uint8Array): ReadRevocationList {
  const text = Buffer.from(bytes).toString('latin1');
  const list = new x509.X509Crl(text.startsWith('-----BEGIN') ? text : Uint8Array.from(bytes));
  const seconds = (date: Date): number => Math.floor(date.getTime() / 1000);
  return {
    thisUpdate: seconds(list.thisUpdate),
    nextUpdate: list.nextUpdate === undefined ? undefined : seconds(list.nextUpdate),
    serials: new Set(
      list.entries.map(({ serialNumber }) => serialNumber.toUpperCase().replace(/^0+(?=.)/, '')),
    ),
    isSignedBy: (authorityPem) => {
      const { hash } = list.signatureAlgorithm as { readonly hash: { readonly name: string } };
      return isSigned(Buffer.from(list.rawData), hash.name, authorityPem);
    },
  };
}

/** By OpenSSL, over the bytes that were signed: what the library makes of them has no part in it. */
function isSigned(der: Buffer, digest: string, authorityPem: string): boolean {
  if (!/^SHA-(?:256|384|512)$/.test(digest)) return false;
  const [signed, , signature] = readChildren(der, readDocument(der));
  if (signed === undefined || signature?.tag !== derTag.bitString) return false;
  return verify(
    digest.replace('-', ''),
    der.subarray(signed.start, signed.end),
    new X509Certificate(authorityPem).publicKey,
    // Behind the count of unused bits, of which a signature has none.
    der.subarray(signature.content + 1, signature.end),
  );
}
