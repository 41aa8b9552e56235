/** Object identifiers of CMS (RFC 5652) and SCEP (RFC 8894, section 3.2.1), as the hexadecimal of their DER contents. */
export const oid = {
  data: '2a864886f70d010701',
  signedData: '2a864886f70d010702',
  envelopedData: '2a864886f70d010703',
  contentType: '2a864886f70d010903',
  messageDigest: '2a864886f70d010904',
  challengePassword: '2a864886f70d010907',
  rsaEncryption: '2a864886f70d010101',
  rsaOaep: '2a864886f70d010107',
  sha256WithRsa: '2a864886f70d01010b',
  sha384WithRsa: '2a864886f70d01010c',
  sha512WithRsa: '2a864886f70d01010d',
  sha1: '2b0e03021a',
  sha256: '608648016503040201',
  sha384: '608648016503040202',
  sha512: '608648016503040203',
  aes128: '608648016503040102',
  aes256: '60864801650304012a',
  messageType: '6086480186f845010902',
  pkiStatus: '6086480186f845010903',
  failInfo: '6086480186f845010904',
  senderNonce: '6086480186f845010905',
  recipientNonce: '6086480186f845010906',
  transactionId: '6086480186f845010907',
} as const;

/** The hashes that sign here. SHA-1 and MD5 are not among them. */
export type SigningHash = 'sha256' | 'sha384' | 'sha512';
