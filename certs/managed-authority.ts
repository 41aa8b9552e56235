import { generateKeyPairSync } from 'node:crypto';
import { deviceNameConstraints } from './name-constraints.ts';
import { backdatedSeconds, purposeOid } from './profiles.ts';
import { signCertificate, spkiOf, toPem, toSeconds } from './signer.ts';
import type { AuthorityCertificate } from './signer.ts';
import { x509 } from './x509-library.ts';

const tenYears = 10 * 365 * 86_400;

/**
 * Makes the RSA authority of an organization: it certifies devices that a device management cares for, of this domain, and
 * nothing else. It is below no other: the root's key is offline, and many of those devices cannot verify ECDSA.
 */
export async function createManagedAuthority(options: {
  domain: string;
  now: Date;
}): Promise<AuthorityCertificate> {
  const notBefore = toSeconds(options.now) - backdatedSeconds;
  const notAfter = notBefore + tenYears;
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 3072 });
  const algorithm = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' } as const;
  const subject: x509.JsonName = [{ O: [options.domain] }, { CN: ['Postern Managed Device Authority'] }];
  const usage = x509.KeyUsageFlags;
  const certificate = await signCertificate(
    {
      subject,
      publicKey,
      notBefore,
      notAfter,
      extensions: [
        new x509.BasicConstraintsExtension(true, 0, true),
        new x509.KeyUsagesExtension(usage.keyCertSign | usage.cRLSign, true),
        new x509.ExtendedKeyUsageExtension([purposeOid.clientAuth]),
        new x509.Extension('2.5.29.30', true, deviceNameConstraints(options.domain)),
      ],
    },
    {
      name: new x509.Name(subject),
      notAfter,
      keyIdentifier: await x509.AuthorityKeyIdentifierExtension.create(spkiOf(publicKey)),
      key: privateKey.toCryptoKey(algorithm, false, ['sign']),
      algorithm,
      purposes: [],
    },
  );
  return {
    certificatePem: toPem(certificate),
    privateKeyPem: privateKey.export({ format: 'pem', type: 'pkcs8' }),
  };
}
