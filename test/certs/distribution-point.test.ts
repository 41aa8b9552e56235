import { X509Certificate, generateKeyPairSync } from 'node:crypto';
import { beforeAll, expect, it } from 'vitest';
import { issueCertificate } from '../../certs/authority.ts';
import { checkDeviceCertificate } from '../../certs/device-certificate.ts';
import { distributionPoint, isDistributionPoint } from '../../certs/distribution-point.ts';
import { makeOrganization } from '../lab/pki.ts';
import type { Organization } from '../lab/pki.ts';

const url = 'http://pki.example.org/devices.crl';
let organization: Organization;
beforeAll(async () => {
  organization = await makeOrganization();
});

async function issue(revocationListUrl?: string): Promise<X509Certificate> {
  const publicKeyPem = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({
    format: 'pem',
    type: 'spki',
  });
  const subject = { publicKeyPem, uri: 'spiffe://example.org/device/d-1' };
  const leaf = await issueCertificate(
    organization.authorities.device,
    'device',
    subject,
    new Date(),
    revocationListUrl === undefined ? {} : { revocationListUrl },
  );
  return new X509Certificate(leaf.certificatePem);
}

it('stands in a device certificate where a list has a public place, and passes the profile', async () => {
  const context = { domain: 'example.org', now: Math.floor(Date.now() / 1000) };
  const withPoint = await issue(url);
  expect(withPoint.raw.includes(Buffer.from(url))).toBe(true);
  expect(checkDeviceCertificate(withPoint, context)).toMatchObject({ ok: true, device: 'd-1' });
  expect(checkDeviceCertificate(await issue(), context)).toMatchObject({ ok: true });
  expect(checkDeviceCertificate(await issue('ftp://pki.example.org/list'), context)).toMatchObject({
    ok: false,
    detail: 'distribution point is not one URL',
  });
});

it('is one URL and nothing round it', () => {
  const good = distributionPoint(url);
  expect(isDistributionPoint(good)).toBe(true);
  expect(isDistributionPoint(distributionPoint('file:///etc/passwd'))).toBe(false);
  expect(isDistributionPoint(distributionPoint('http://a b/'))).toBe(false);
  expect(() => isDistributionPoint(Buffer.concat([good, Buffer.from([0])]))).toThrow();
  expect(() => isDistributionPoint(Buffer.from('3000', 'hex'))).toThrow();
});
