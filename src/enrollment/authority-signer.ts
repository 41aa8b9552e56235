import { issueCertificate } from '../../certs/authority.ts';
import type { AuthorityCertificate } from '../../certs/authority.ts';
import { spiffeUri } from '../../certs/spiffe.ts';
import type { CertificateSigner } from './certificate-signer.ts';

/** Signs with the device authority's key, held in memory. `domain` is the trust domain of the SPIFFE identifiers. */
export const authoritySigner = (
  authority: AuthorityCertificate,
  domain: string,
  more: { readonly revocationListUrl?: string } = {},
): CertificateSigner => ({
  signDevice: async ({ device, role, publicKeyPem, now }) => {
    const profile = role === 'connector' ? 'connector' : 'device';
    const subject = { publicKeyPem, uri: spiffeUri(domain, profile, device), commonName: device };
    const leaf = await issueCertificate(authority, profile, subject, new Date(now * 1000), more);
    const { serial, thumbprint, notAfter } = leaf;
    return {
      chainPem: leaf.certificatePem + authority.certificatePem,
      issued: { serial, thumbprint, notAfter },
    };
  },
});
