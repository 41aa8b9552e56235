import { createHash } from 'node:crypto';

/** base64url SHA-256 of a certificate's DER: the `x5t#S256` of RFC 8705, section 3.1. */
export const certificateThumbprint = (der: Uint8Array): string =>
  createHash('sha256').update(der).digest('base64url');
