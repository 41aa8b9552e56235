import { derTag, encodeDer, expectElement, readDocument } from './der.ts';

const constructed0 = 0xa0;
const uriTag = 0x86;

/** Where a revocation list may be fetched, in the one form that we write and accept. */
export const revocationListUrl = /^https?:\/\/[!-~]{1,240}$/;

/** CRLDistributionPoints (RFC 5280, section 4.2.1.13) of one URL. */
export const distributionPoint = (url: string): Buffer =>
  encodeDer(
    derTag.sequence,
    encodeDer(
      derTag.sequence,
      encodeDer(constructed0, encodeDer(constructed0, encodeDer(uriTag, Buffer.from(url, 'latin1')))),
    ),
  );

/** Whether the value is just that. Throws DerError for what is no DER. */
export function isDistributionPoint(value: Buffer): boolean {
  const points = readDocument(value);
  let inner = expectElement(value, points.content, points.end, derTag.sequence);
  for (const tag of [constructed0, constructed0, uriTag])
    inner = expectElement(value, inner.content, inner.end, tag);
  const url = value.toString('latin1', inner.content, inner.end);
  // Nothing may follow on any level: written anew, it is the same bytes or it is not ours.
  return revocationListUrl.test(url) && distributionPoint(url).equals(value);
}
