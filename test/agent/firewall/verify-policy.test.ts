import { expect, it } from 'vitest';
import { verifyPolicy } from '../../../agent/firewall/verify-policy.ts';
import { makeOrganization } from '../../lab/pki.ts';
import { policyOf, signPolicy, trustOf } from './lab.ts';

const organization = await makeOrganization();
const trust = trustOf(organization);
const signer = await organization.issuePolicySigner();
const now = new Date();
const problemOf = (raw: string, at = now): string | undefined => {
  const verified = verifyPolicy(raw, trust, at);
  return 'problem' in verified ? verified.problem : undefined;
};

it('takes what the control plane signed for this device', () => {
  expect(verifyPolicy(signPolicy(signer, policyOf()), trust, now)).toEqual({ policy: policyOf() });
});

/*
 * A certificate of the right authority is not yet a signer of the right kind (Teleport CVE-2025-49825): gateway workers
 * are reached from everywhere, and the keys that they hold lead to the same root.
 */
it.each([
  ['a gateway', () => organization.issueGateway()],
  ['the control plane as a server', () => organization.issueControl()],
  ['an application', () => organization.issueApp('grants.apps.example.org')],
  ['a device', () => organization.issueDevice()],
])('takes nothing that %s signed', async (_, issue) => {
  expect(problemOf(signPolicy(await issue(), policyOf()))).toMatch(/its signer is not one of policies/);
});

it('takes nothing of another organization with the same names', async () => {
  const other = await makeOrganization();
  expect(problemOf(signPolicy(await other.issuePolicySigner(), policyOf()))).toMatch(/does not lead/);
  // Nor with its leaf under our authority, or ours with its key.
  const theirs = await other.issuePolicySigner();
  expect(problemOf(signPolicy({ ...theirs, chainPem: signer.chainPem }, policyOf()))).toMatch(
    /signature is wrong/,
  );
});

it.each([
  ['for another device', { sub: 'd-other' }, 'for another device'],
  ['of another domain', { iss: 'spiffe://other.org/control' }, 'of another organization'],
  ['for another purpose', { aud: 'postern-gateway' as never }, 'of a form that this version does not know'],
])('takes nothing %s', (_, change, problem) => {
  expect(problemOf(signPolicy(signer, policyOf(change)))).toBe(problem);
});

it('takes no rule that could say more than addresses and ports', () => {
  const rule = { protocol: 'tcp', ports: [22], addresses: ['10.0.0.0/8 } accept; add rule inet x'] };
  const firewall = { name: 'laptops', inbound: [rule] };
  expect(problemOf(signPolicy(signer, { ...policyOf(), firewall }))).toMatch(/form/);
});

it('takes nothing whose signer is not valid now', () => {
  const later = new Date(now.getTime() + 40 * 86_400_000);
  expect(problemOf(signPolicy(signer, policyOf()), later)).toMatch(/not valid now/);
});

it.each([
  ['no text at all', (): string => ''],
  [
    'one that was changed',
    (raw: string) =>
      raw.replace(
        /\.[^.]+\./,
        `.${Buffer.from(JSON.stringify(policyOf({ iat: 2e9 }))).toString('base64url')}.`,
      ),
  ],
  ['one that was not signed', (raw: string) => raw.replace(/[^.]+$/, '')],
  ['one written in another way', (raw: string) => `${raw}=`],
  ['one without an algorithm', () => signPolicy(signer, policyOf(), { alg: 'none' })],
  ['one of another type', () => signPolicy(signer, policyOf(), { typ: 'postern-session+jwt' })],
  ['one that says where its key is', () => signPolicy(signer, policyOf(), { jku: 'https://evil.example' })],
  ['one without a certificate', () => signPolicy(signer, policyOf(), { x5c: [] })],
  ['one that is too long', (raw: string) => raw + 'A'.repeat(200_001)],
])('refuses %s', (_, change) => {
  expect(problemOf(change(signPolicy(signer, policyOf())))).toBeTypeOf('string');
});
