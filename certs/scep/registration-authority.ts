import { createPublicKey, generateKeyPairSync } from 'node:crypto';
import { backdatedSeconds } from '../profiles.ts';
import { signCertificate, signerOf, toPem, toSeconds } from '../signer.ts';
import type { AuthorityCertificate } from '../signer.ts';
import { x509 } from '../x509-library.ts';

/** A key for a registration authority, as PKCS#8 PEM. */
export const createRegistrationKey = (): string =>
  generateKeyPairSync('rsa', { modulusLength: 3072 }).privateKey.export({ format: 'pem', type: 'pkcs8' });

/**
 * The certificate of the registration authority of SCEP (RFC 8894, section 2.1.2): its key signs the answers and opens the
 * requests of strangers, so that the authority's own key does neither. It names no device, so it is not let in as one.
 * @returns PEM.
 */
export async function certifyRegistrationKey(
  authority: AuthorityCertificate,
  options: { readonly privateKeyPem: string; readonly domain: string; readonly now: Date },
): Promise<string> {
  const signer = await signerOf(authority);
  const usage = x509.KeyUsageFlags;
  const certificate = await signCertificate(
    {
      subject: [{ O: [options.domain] }, { CN: ['Postern SCEP'] }],
      publicKey: createPublicKey(options.privateKeyPem),
      notBefore: toSeconds(options.now) - backdatedSeconds,
      notAfter: signer.notAfter,
      extensions: [
        new x509.BasicConstraintsExtension(false, undefined, true),
        new x509.KeyUsagesExtension(usage.digitalSignature | usage.keyEncipherment, true),
      ],
    },
    signer,
  );
  return toPem(certificate);
}
