import { verify, X509Certificate } from 'node:crypto';
import { Value } from 'typebox/value';
import { policySigningOid, purposeOid } from '../../certs/profiles.ts';
import { FirewallPolicy, firewallPolicyType } from '../../src/contract/firewall-policy.ts';

/** Whom the helper believes: pinned by root when the laptop was enrolled. */
export interface PolicyTrust {
  readonly authorityPem: string;
  readonly domain: string;
  readonly device: string;
}

export type VerifiedPolicy = { readonly policy: FirewallPolicy } | { readonly problem: string };

const maxCharacters = 200_000;

/** One way to write it: what decodes and encodes to another text is refused, as in src/identity/compact-form.ts. */
function decode(part: string): unknown {
  const bytes = Buffer.from(part, 'base64url');
  if (bytes.toString('base64url') !== part) throw new Error('not base64url as it is written');
  return JSON.parse(bytes.toString('utf8'));
}

const isSignedBy = (certificate: X509Certificate, issuer: X509Certificate): boolean =>
  issuer.ca && certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);

const isValidAt = (certificate: X509Certificate, at: Date): boolean =>
  certificate.validFromDate <= at && at <= certificate.validToDate;

/** What is wrong with the signer, by OpenSSL's word and by its kind: what serves TLS may not sign this. */
function chainProblem(
  chain: readonly X509Certificate[],
  root: X509Certificate,
  now: Date,
): string | undefined {
  const [leaf, authority, ...more] = chain;
  if (leaf === undefined || authority === undefined || more.length > 0) return 'not signer and authority';
  if (!isSignedBy(leaf, authority) || !isSignedBy(authority, root) || !isSignedBy(root, root))
    return 'its signer does not lead to our authority';
  if (!chain.every((certificate) => isValidAt(certificate, now))) return 'its signer is not valid now';
  if (leaf.ca || leaf.keyUsage?.join(' ') !== policySigningOid) return 'its signer is not one of policies';
  // The authority of services, and no other below the same root.
  if (authority.keyUsage?.join(' ') !== purposeOid.serverAuth) return 'its authority is not that of services';
  return undefined;
}

/**
 * The policy in a compact JWS, if the control plane signed it for this device. Nothing of it is believed before, nor is
 * anything that the agent says: the agent only carried it here.
 */
export function verifyPolicy(raw: string, trust: PolicyTrust, now: Date): VerifiedPolicy {
  if (raw.length > maxCharacters) return { problem: 'too long' };
  const parts = raw.split('.');
  const [unverifiedHeader = '', unverifiedClaims = '', signature = ''] = parts;
  if (parts.length !== 3) return { problem: 'not a signed policy' };
  try {
    const header = decode(unverifiedHeader) as Record<string, unknown>;
    const { alg, typ, x5c } = header;
    if (Object.keys(header).length !== 3 || alg !== 'ES256' || typ !== firewallPolicyType)
      return { problem: 'not a signed policy' };
    if (!Array.isArray(x5c) || !x5c.every((each) => typeof each === 'string'))
      return { problem: 'without the certificate of its signer' };
    const chain = x5c.map((each) => new X509Certificate(Buffer.from(each, 'base64')));
    const problem = chainProblem(chain, new X509Certificate(trust.authorityPem), now);
    const [leaf] = chain;
    if (problem !== undefined || leaf === undefined) return { problem: problem ?? 'no signer' };
    const bytes = Buffer.from(signature, 'base64url');
    const isTrue =
      bytes.toString('base64url') === signature &&
      verify(
        'sha256',
        Buffer.from(`${unverifiedHeader}.${unverifiedClaims}`),
        { key: leaf.publicKey, dsaEncoding: 'ieee-p1363' },
        bytes,
      );
    if (!isTrue) return { problem: 'its signature is wrong' };
    const policy = decode(unverifiedClaims);
    if (!Value.Check(FirewallPolicy, policy)) return { problem: 'of a form that this version does not know' };
    if (policy.iss !== `spiffe://${trust.domain}/control`) return { problem: 'of another organization' };
    if (policy.sub !== trust.device) return { problem: 'for another device' };
    return { policy };
  } catch {
    return { problem: 'not a signed policy' };
  }
}
