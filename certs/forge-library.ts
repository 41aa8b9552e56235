/**
 * `node-forge` packs PKCS#12, a format of the RSA world. It is asked for nothing else. Whether a certificate or a signature
 * is good is never its to say (CVE-2026-33896: a leaf taken for an authority; CVE-2025-12816: one piece of ASN.1 read in
 * two ways), and no private key of ours decrypts in it. Import it from here only.
 */
import forge from 'node-forge';

export { forge };
