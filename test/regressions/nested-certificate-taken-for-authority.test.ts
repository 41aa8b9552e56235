/**
 * Teleport CVE-2025-49825: a certificate that a user held was accepted as the signer of another one, because only the
 * signature was verified and not what kind of certificate had made it. Whoever had any certificate could mint one for
 * anybody. Here a laptop signs a certificate for another laptop with its own key, as itself, as a self-made authority,
 * and as an authority that a careless device authority made of it; and the service authority signs one. None may pass:
 * OpenSSL must refuse the chain in the handshake, and the profile must refuse an authority that comes as a device.
 */
import { X509Certificate } from 'node:crypto';
import { beforeAll, describe, expect, it } from 'vitest';
import { checkDeviceCertificate } from '../../certs/device-certificate.ts';
import { basicConstraints, forgeCertificate, keyUsage } from '../certs/forge.ts';
import type { Forgery } from '../certs/forge.ts';
import { handshake } from '../certs/tls-handshake.ts';
import { makeOrganization } from '../lab/pki.ts';
import type { LabCertificate, Organization } from '../lab/pki.ts';

const now = Math.floor(Date.now() / 1000);
const attacker = 'spiffe://example.org/device/d-attacker';
const victim = 'spiffe://example.org/device/d-victim';
const asAuthority: Forgery = {
  extensions: { basicConstraints: basicConstraints('30030101ff'), keyUsage: keyUsage('03020284') },
};

let organization: Organization;
let gateway: LabCertificate;
beforeAll(async () => {
  organization = await makeOrganization();
  gateway = await organization.issueGateway();
});

const present = (keyPem: string, ...chain: string[]) =>
  handshake(
    { key: gateway.keyPem, cert: gateway.chainPem, ca: organization.deviceAuthorityPem },
    { keyPem, certificatePem: chain.join('') },
  );

describe('a certificate that a laptop signed', () => {
  it.each([
    ['as the device that it is', {}],
    ['as an authority, which the device authority may not make', asAuthority],
  ] as const)('is refused: %s', async (_title, forgery) => {
    const parent = forgeCertificate(organization.authorities.device, { uri: attacker, now }, forgery);
    const issuer = { certificatePem: parent.certificatePem, privateKeyPem: parent.keyPem };
    const nested = forgeCertificate(issuer, { uri: victim, now });
    const { deviceAuthorityPem } = organization;
    for (const chain of [[], [parent.certificatePem], [parent.certificatePem, deviceAuthorityPem]]) {
      expect(await present(nested.keyPem, nested.certificatePem, ...chain)).toMatchObject({
        accepted: false,
      });
    }
  });

  it('is refused though its signer brings a self-signed authority of the right name', async () => {
    const impostor = await makeOrganization();
    const nested = forgeCertificate(impostor.authorities.device, { uri: victim, now });
    const chain = [nested.certificatePem, impostor.deviceAuthorityPem, impostor.rootPem];
    expect(await present(nested.keyPem, ...chain)).toMatchObject({ accepted: false });
  });

  it('is accepted when the device authority signed it', async () => {
    const good = forgeCertificate(organization.authorities.device, { uri: victim, now });
    expect(await present(good.keyPem, good.certificatePem)).toMatchObject({ accepted: true });
  });
});

describe('an authority', () => {
  it('is refused as a device, by the profile even where OpenSSL takes the chain', async () => {
    const authority = forgeCertificate(organization.authorities.device, { uri: attacker, now }, asAuthority);
    expect(checkDeviceCertificate(authority.certificate, { domain: 'example.org', now })).toEqual({
      ok: false,
      problem: 'certificate-profile',
      detail: 'not CA:FALSE',
    });
    const device = new X509Certificate((await organization.issueDevice()).certificatePem);
    expect(checkDeviceCertificate(device, { domain: 'example.org', now })).toMatchObject({ ok: true });
  });

  it('for servers is none for clients', async () => {
    const forged = forgeCertificate(organization.authorities.service, { uri: victim, now });
    const chain = [forged.certificatePem, organization.serviceAuthorityPem, organization.rootPem];
    expect(await present(forged.keyPem, ...chain)).toMatchObject({ accepted: false });
  });
});
