import { createPrivateKey, createPublicKey, X509Certificate } from 'node:crypto';
import { beforeAll, describe, expect, it } from 'vitest';
import { issueCertificate } from '../../certs/authority.ts';
import { renewalTime } from '../../certs/profiles.ts';
import { makeOrganization } from '../lab/pki.ts';
import type { LabCertificate, Organization } from '../lab/pki.ts';

const now = 1_800_000_000;
const uri = 'spiffe://example.org/device/d-abc234';
let organization: Organization;
let gateway: LabCertificate;

beforeAll(async () => {
  organization = await makeOrganization({ now: new Date(now * 1000) });
  gateway = await organization.issueGateway();
});

describe('the authorities of an organization', () => {
  it('are a P-384 root and two P-256 authorities that it signed', () => {
    const { root, device, service } = organization.authorities;
    const [rootCertificate, ...below] = [root, device, service].map(
      ({ certificatePem }) => new X509Certificate(certificatePem),
    );
    expect(rootCertificate?.publicKey.asymmetricKeyDetails).toEqual({ namedCurve: 'secp384r1' });
    for (const certificate of below) {
      expect(certificate.publicKey.asymmetricKeyDetails).toEqual({ namedCurve: 'prime256v1' });
      expect(certificate.ca && certificate.checkIssued(rootCertificate as X509Certificate)).toBe(true);
      expect(certificate.verify((rootCertificate as X509Certificate).publicKey)).toBe(true);
    }
    const purposes = below.map((certificate) => certificate.keyUsage);
    expect(purposes).toEqual([['1.3.6.1.5.5.7.3.2'], ['1.3.6.1.5.5.7.3.1']]);
  });

  it('are trusted by a twin of the same name and key that signed itself', () => {
    const [twin, authority] = [
      organization.deviceAuthorityPem,
      organization.authorities.device.certificatePem,
    ].map((pem) => new X509Certificate(pem)) as [X509Certificate, X509Certificate];
    expect(twin.subject).toBe(authority.subject);
    expect(twin.issuer).toBe(authority.subject);
    expect(twin.verify(authority.publicKey)).toBe(true);
    expect(twin.keyUsage).toEqual(authority.keyUsage);
    expect(twin.validTo).toBe(authority.validTo);
    expect(twin.serialNumber).not.toBe(authority.serialNumber);
  });
});

describe('the lifetime of a certificate', () => {
  it('is a week for a device, and two thirds of it have passed when it is renewed', async () => {
    const device = await organization.issueDevice();
    expect([device.notBefore, device.notAfter]).toEqual([now - 300, now + 604_800]);
    expect(renewalTime(device)).toBe(now - 300 + 403_400);
  });
});

describe('the authorities', () => {
  const deviceKey = (): string =>
    createPublicKey(createPrivateKey(gateway.keyPem)).export({ format: 'pem', type: 'spki' });

  it('issue only what they are for', async () => {
    const { device, service, root } = organization.authorities;
    const publicKeyPem = deviceKey();
    const server = { publicKeyPem, dnsNames: ['a.example.org'] };
    await expect(issueCertificate(device, 'gateway', server, new Date(now * 1000))).rejects.toThrow(
      TypeError,
    );
    await expect(
      issueCertificate(service, 'device', { publicKeyPem, uri }, new Date(now * 1000)),
    ).rejects.toThrow(TypeError);
    await expect(
      issueCertificate(root, 'device', { publicKeyPem, uri }, new Date(now * 1000)),
    ).rejects.toThrow(TypeError);
    await expect(
      issueCertificate(device, 'device', { publicKeyPem, uri }, new Date(now * 1000)),
    ).resolves.toMatchObject({});
  });

  it.each([
    ['device', { uri: 'spiffe://example.org/connector/c-1' }],
    ['device', { uri: 'spiffe://example.org/device/../x' }],
    ['device', { uri, dnsNames: ['a.example.org'] }],
    ['device', {}],
    ['gateway', { uri, dnsNames: ['a.example.org'] }],
    ['gateway', { dnsNames: ['a.example.org, DNS:b.example.org'] }],
    ['gateway', { addresses: ['localhost'] }],
    ['gateway', {}],
  ] as const)('issue no %s for %j', async (profile, subject) => {
    const { device, service } = organization.authorities;
    const issuer = profile === 'device' ? device : service;
    const request = { publicKeyPem: deviceKey(), ...subject };
    await expect(issueCertificate(issuer, profile, request, new Date(now * 1000))).rejects.toThrow(TypeError);
  });

  it('never let a leaf outlive them', async () => {
    const late = new Date((now + 10 * 365 * 86_400 - 3600) * 1000);
    const device = await organization.issueDevice({ now: late });
    expect(device.notAfter).toBeLessThan(late.getTime() / 1000 + 3600);
  });

  it('give serial numbers that are random, positive and never the same', async () => {
    const devices = await Promise.all(Array.from({ length: 50 }, () => organization.issueDevice()));
    const serials = devices.map((device) => device.serial);
    expect(new Set(serials).size).toBe(50);
    for (const serial of serials) expect(serial).toMatch(/^[1-9A-F][0-9A-F]{20,31}$/);
  });
});
