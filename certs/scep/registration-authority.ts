import { createPublicKey, generateKeyPair } from 'node:crypto';
import { promisify } from 'node:util';
import { backdatedSeconds } from '../profiles.ts';
import { signCertificate, signerOf, toPem } from '../signer.ts';
import type { AuthorityCertificate } from '../signer.ts';
import { x509 } from '../x509-library.ts';

/** A key and its certificate, as PEM. */
export interface RegistrationAuthority {
  /** PKCS#8, not encrypted. */
  readonly privateKeyPem: string;
  readonly certificatePem: string;
}

/** Many devices keep what they once fetched, so a certificate of theirs is good for long after it has a successor. */
const lifetimeSeconds = 365 * 86_400;

/**
 * A new registration authority of SCEP (RFC 8894, section 2.1.2): its key signs the answers and opens the requests of
 * strangers, so that the authority's own key does neither. It names no device, so it is not let in as one.
 * `now` in epoch seconds.
 */
export async function createRegistrationAuthority(
  authority: AuthorityCertificate,
  { domain, now }: { readonly domain: string; readonly now: number },
): Promise<RegistrationAuthority> {
  const signer = await signerOf(authority);
  // Takes a second, during which others are served.
  const { privateKey } = await promisify(generateKeyPair)('rsa', { modulusLength: 3072 });
  const usage = x509.KeyUsageFlags;
  const certificate = await signCertificate(
    {
      subject: [{ O: [domain] }, { CN: ['Postern SCEP'] }],
      publicKey: createPublicKey(privateKey),
      notBefore: now - backdatedSeconds,
      notAfter: Math.min(now + lifetimeSeconds, signer.notAfter),
      extensions: [
        new x509.BasicConstraintsExtension(false, undefined, true),
        new x509.KeyUsagesExtension(usage.digitalSignature | usage.keyEncipherment, true),
      ],
    },
    signer,
  );
  return {
    privateKeyPem: privateKey.export({ format: 'pem', type: 'pkcs8' }),
    certificatePem: toPem(certificate),
  };
}
