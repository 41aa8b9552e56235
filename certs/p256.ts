/** The one way to write a P-256 public key as SubjectPublicKeyInfo (RFC 5480): named curve, uncompressed point. */
const prefix = Buffer.from('3059301306072a8648ce3d020106082a8648ce3d03010703420004', 'hex');
export const p256SpkiBytes = 91;

export const isP256PublicKey = (spki: Uint8Array): boolean =>
  spki.length === p256SpkiBytes && prefix.compare(spki, 0, prefix.length) === 0;
