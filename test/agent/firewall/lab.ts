import { sign } from 'node:crypto';
import type { FirewallFiles, FirewallTrust } from '../../../agent/firewall/firewall-files.ts';
import { firewallAudience, firewallPolicyType } from '../../../src/contract/firewall-policy.ts';
import type { FirewallPolicy } from '../../../src/contract/firewall-policy.ts';
import type { LabCertificate, Organization } from '../../lab/pki.ts';

export const device = 'd-laptop';

export const policyOf = (more: Partial<FirewallPolicy> = {}): FirewallPolicy => ({
  iss: 'spiffe://example.org/control',
  aud: firewallAudience,
  sub: device,
  iat: 1_795_000_000,
  firewall: { name: 'laptops', inbound: [] },
  gateways: ['192.0.2.1:8443'],
  ...more,
});

const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
const derOf = (pem: string): string[] =>
  [...pem.matchAll(/-----BEGIN CERTIFICATE-----([^-]+)-----/g)].map(([, body = '']) =>
    body.replaceAll(/\s/g, ''),
  );

/** As the control plane would sign it, if it had this certificate. */
export function signPolicy(
  signer: Pick<LabCertificate, 'chainPem' | 'keyPem'>,
  policy: unknown,
  header: Readonly<Record<string, unknown>> = {},
): string {
  const whole = { alg: 'ES256', typ: firewallPolicyType, x5c: derOf(signer.chainPem), ...header };
  const signed = `${encode(whole)}.${encode(policy)}`;
  const signature = sign('sha256', Buffer.from(signed), { key: signer.keyPem, dsaEncoding: 'ieee-p1363' });
  return `${signed}.${signature.toString('base64url')}`;
}

export const trustOf = (organization: Organization, policyFile = '/nowhere'): FirewallTrust => ({
  authorityPem: organization.rootPem,
  domain: organization.domain,
  device,
  control: 'https://192.0.2.2:8444',
  policyFile,
});

/** The helper's files in memory, with what the agent carries. */
export interface LabFiles extends FirewallFiles {
  carry(signed: string | undefined): void;
}

export function labFiles(first: FirewallTrust | undefined): LabFiles {
  let trust = first;
  let kept: string | undefined;
  let carried: string | undefined;
  return {
    trust: () => trust,
    kept: () => kept,
    keep: (signed) => (kept = signed),
    carried: () => carried,
    adopt: (next) => {
      trust = next;
      kept = undefined;
    },
    forget: () => {
      trust = undefined;
      kept = undefined;
    },
    carry: (signed) => (carried = signed),
  };
}
