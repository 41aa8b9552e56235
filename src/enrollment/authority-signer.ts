import { issueCertificate } from '../../certs/authority.ts';
import type { AuthorityCertificate } from '../../certs/authority.ts';
import { spiffeUri } from '../../certs/spiffe.ts';
import type { CertificateSigner } from './certificate-signer.ts';

/**
 * Signs with an authority's key, held in memory: that of the device authority, or with `isManaged` that of managed devices,
 * for RSA keys. `domain` is the trust domain of the SPIFFE identifiers.
 */
export const authoritySigner = (
  authority: AuthorityCertificate,
  domain: string,
  more: { readonly revocationListUrl?: string; readonly isManaged?: boolean } = {},
): CertificateSigner => ({
  signDevice: async ({ device, role, publicKeyPem, now }) => {
    const kind = role === 'connector' ? 'connector' : 'device';
    const profile = more.isManaged === true ? 'managed' : kind;
    const subject = { publicKeyPem, uri: spiffeUri(domain, kind, device), commonName: device };
    const leaf = await issueCertificate(authority, profile, subject, new Date(now * 1000), more);
    const { serial, thumbprint, notAfter } = leaf;
    return {
      chainPem: leaf.certificatePem + authority.certificatePem,
      issued: { serial, thumbprint, notAfter, ...(more.isManaged === true ? { managed: true } : {}) },
    };
  },
});
