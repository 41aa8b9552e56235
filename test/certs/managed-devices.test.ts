import { generateKeyPairSync, X509Certificate } from 'node:crypto';
import { beforeAll, describe, expect, it } from 'vitest';
import { issueCertificate } from '../../certs/authority.ts';
import { checkDeviceCertificate } from '../../certs/device-certificate.ts';
import type { AuthorityCertificate } from '../../certs/signer.ts';
import { identifyDevice } from '../../src/identity/device-identity.ts';
import type { Device } from '../../src/domain/device.ts';
import type { UserName } from '../../src/domain/ids.ts';
import { issueManagedDevice, makeManagedAuthority } from '../lab/managed.ts';
import type { ManagedDevice } from '../lab/managed.ts';
import { makeOrganization } from '../lab/pki.ts';
import type { LabDevice, Organization } from '../lab/pki.ts';

const now = Math.floor(Date.now() / 1000);
const domain = 'example.org';
let managed: AuthorityCertificate;
let organization: Organization;
let phone: ManagedDevice;
let laptop: LabDevice;
beforeAll(async () => {
  managed = await makeManagedAuthority();
  organization = await makeOrganization();
  phone = await issueManagedDevice(managed);
  laptop = await organization.issueDevice();
});

const publicKeyOf = (kind: 'rsa' | 'ec', bits = 2048): string => {
  const { publicKey } =
    kind === 'rsa'
      ? generateKeyPairSync('rsa', { modulusLength: bits })
      : generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return publicKey.export({ format: 'pem', type: 'spki' });
};
const subject = (publicKeyPem: string) => ({ publicKeyPem, uri: 'spiffe://example.org/device/d-1' });
const stateWith = (...devices: { id: Device['id']; issued: Device['certificates'][number] }[]) => ({
  domain,
  devices: new Map(
    devices.map(({ id, issued }): [Device['id'], Device] => [
      id,
      {
        id,
        user: 'alice@example.org' as UserName,
        role: 'laptop',
        state: 'active',
        enrolledAt: now,
        changedAt: now,
        certificates: [issued],
      },
    ]),
  ),
});

describe('the authority of managed devices', () => {
  it('certifies RSA keys of 2048 to 4096 bits for 90 days, and no other key', async () => {
    const issue = (publicKeyPem: string) =>
      issueCertificate(managed, 'managed', subject(publicKeyPem), new Date());
    const leaf = await issue(publicKeyOf('rsa'));
    expect(leaf.notAfter - now).toBeGreaterThan(89 * 86_400);
    await expect(issue(publicKeyOf('rsa', 1024))).rejects.toThrow('not a key');
    await expect(issue(publicKeyOf('ec'))).rejects.toThrow('not a key');
  });

  it('issues nothing that is of the device authority, nor that one anything of it', async () => {
    const { device } = organization.authorities;
    const rsa = publicKeyOf('rsa');
    await expect(issueCertificate(device, 'managed', subject(rsa), new Date())).rejects.toThrow('may not');
    await expect(issueCertificate(managed, 'device', subject(publicKeyOf('ec')), new Date())).rejects.toThrow(
      'may not',
    );
  });

  it('stands by itself, and OpenSSL finds its signature on what it issued', () => {
    const authority = new X509Certificate(managed.certificatePem);
    expect(authority.ca && authority.verify(authority.publicKey)).toBe(true);
    const certificate = new X509Certificate(phone.chainPem);
    expect(certificate.ca).toBe(false);
    expect(certificate.checkIssued(authority) && certificate.verify(authority.publicKey)).toBe(true);
  });
});

describe('a certificate with an RSA key', () => {
  it('passes the profile only as one of a managed device', () => {
    const certificate = new X509Certificate(phone.chainPem);
    expect(checkDeviceCertificate(certificate, { domain, now, isManaged: true })).toMatchObject({ ok: true });
    expect(checkDeviceCertificate(certificate, { domain, now })).toMatchObject({
      ok: false,
      detail: 'key is not P-256',
    });
    const other = new X509Certificate(laptop.chainPem);
    expect(checkDeviceCertificate(other, { domain, now, isManaged: true })).toMatchObject({
      ok: false,
      detail: 'key is not RSA of 2048 bits or more',
    });
  });

  it('is a device only where its authority is trusted', () => {
    const certificate = new X509Certificate(phone.chainPem);
    const state = stateWith(phone);
    const managedAuthorityPem = managed.certificatePem;
    expect(identifyDevice(certificate, state, now, { managedAuthorityPem })).toMatchObject({
      device: phone.id,
    });
    expect(identifyDevice(certificate, state, now)).toMatchObject({ code: 'certificate-profile' });
    expect(identifyDevice(certificate, stateWith(), now, { managedAuthorityPem })).toMatchObject({
      code: 'device-unknown',
    });
  });

  it('is not taken for one that the ledger has from the other authority', () => {
    const certificate = new X509Certificate(phone.chainPem);
    const { managed: _, ...issued } = phone.issued;
    const state = stateWith({ ...phone, issued });
    expect(
      identifyDevice(certificate, state, now, { managedAuthorityPem: managed.certificatePem }),
    ).toMatchObject({ code: 'certificate-unknown' });
  });

  it('of another organization with the same names is none of ours', async () => {
    const impostor = await issueManagedDevice(await makeManagedAuthority(), phone.id);
    expect(
      identifyDevice(new X509Certificate(impostor.chainPem), stateWith(impostor), now, {
        managedAuthorityPem: managed.certificatePem,
      }),
    ).toMatchObject({ code: 'certificate-profile' });
  });
});
