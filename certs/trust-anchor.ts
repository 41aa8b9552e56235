import { createPublicKey, X509Certificate } from 'node:crypto';
import { signCertificate, signerOf, toPem, toSeconds } from './signer.ts';
import type { AuthorityCertificate } from './signer.ts';
import { x509 } from './x509-library.ts';

const authorityKeyIdentifier = '2.5.29.35';
const subjectKeyIdentifier = '2.5.29.14';

/**
 * The authority's self-signed twin: same name, key, constraints and times. Listeners give it to `ca`, so that they
 * trust this authority alone and not the root above it. The ways that look simpler do not work or cost more: node:tls
 * servers drop `allowPartialTrustChain` without a word (Node 26), and trusting the root as well adds a P-384
 * verification to each handshake, which nearly doubles it. OpenSSL prefers what it trusts to what the peer sends, so
 * the chain ends here also for clients that send the twin that the root signed.
 */
export async function createTrustAnchor(authority: AuthorityCertificate): Promise<string> {
  const signer = await signerOf(authority);
  const parsed = new x509.X509Certificate(new X509Certificate(authority.certificatePem).raw);
  const certificate = await signCertificate(
    {
      subject: signer.name.toJSON(),
      publicKey: createPublicKey(authority.certificatePem),
      notBefore: toSeconds(parsed.notBefore),
      notAfter: signer.notAfter,
      // The key identifiers come from the signature: both are the authority's own.
      extensions: parsed.extensions.filter(
        ({ type }) => type !== authorityKeyIdentifier && type !== subjectKeyIdentifier,
      ),
    },
    signer,
  );
  return toPem(certificate);
}
