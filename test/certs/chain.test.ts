import { beforeAll, describe, expect, it } from 'vitest';
import { makeOrganization } from '../lab/pki.ts';
import type { LabCertificate, Organization } from '../lab/pki.ts';
import {
  dnsName,
  extendedKeyUsage,
  forgeCertificate,
  generalName,
  purpose,
  subjectAltName,
} from './forge.ts';
import type { Forgery } from './forge.ts';
import { handshake } from './tls-handshake.ts';

// OpenSSL judges these by its own clock, so the certificates are made for now.
const now = Math.floor(Date.now() / 1000);
const uri = 'spiffe://example.org/device/d-abc234';
let organization: Organization;
let gateway: LabCertificate;

beforeAll(async () => {
  organization = await makeOrganization();
  gateway = await organization.issueGateway();
});

/** As a gateway listens: it trusts the device authority alone, not the root above it. */
const present = (client: { keyPem: string; chainPem: string } | undefined) =>
  handshake(
    { key: gateway.keyPem, cert: gateway.chainPem, ca: organization.deviceAuthorityPem },
    client && { keyPem: client.keyPem, certificatePem: client.chainPem },
  );
const forge = (forgery: Forgery = {}, forUri = uri): { keyPem: string; chainPem: string } => {
  const forged = forgeCertificate(organization.authorities.device, { uri: forUri, now }, forgery);
  return { ...forged, chainPem: forged.certificatePem };
};
const refusedWith = (code: string) => ({ accepted: false, code });

describe('OpenSSL, trusting the device authority alone', () => {
  it('accepts a device, with and without its authority in the handshake', async () => {
    const device = await organization.issueDevice({ id: 'd-1' });
    const answer = { accepted: true, subject: 'CN=d-1' };
    expect(await present(device)).toEqual(answer);
    expect(await present({ ...device, chainPem: device.certificatePem })).toEqual(answer);
    expect(await present({ ...device, chainPem: device.bundlePem })).toEqual(answer);
  });

  it('accepts a connector', async () => {
    const connector = await organization.issueDevice({ id: 'c-1', role: 'connector' });
    expect(await present(connector)).toEqual({ accepted: true, subject: 'CN=c-1' });
  });

  it('accepts what the forge writes when nothing is changed', async () => {
    expect(await present(forge())).toMatchObject({ accepted: true });
  });

  it('refuses a client without a certificate', async () => {
    expect(await present(undefined)).toEqual(refusedWith('UNABLE_TO_GET_ISSUER_CERT'));
  });

  it('refuses the certificate of a gateway, an application and the control plane', async () => {
    const services = [
      gateway,
      await organization.issueApp('a.example.org'),
      await organization.issueControl(),
    ];
    for (const service of services) {
      const code = 'INVALID_PURPOSE';
      expect(await present({ ...service, chainPem: service.bundlePem })).toEqual(refusedWith(code));
    }
  });

  it('refuses a device of another organization of the same name', async () => {
    const other = await makeOrganization();
    const device = await other.issueDevice({ id: 'd-1' });
    expect(await present({ ...device, chainPem: device.bundlePem })).toMatchObject({ accepted: false });
    expect(await present(device)).toMatchObject({ accepted: false });
  });

  it('refuses a device certificate that the service authority signed', async () => {
    const forged = forgeCertificate(organization.authorities.service, { uri, now });
    const chainPem = forged.certificatePem + organization.serviceAuthorityPem + organization.rootPem;
    expect(await present({ ...forged, chainPem })).toMatchObject({ accepted: false });
  });

  it('refuses a device certificate that signed itself', async () => {
    const first = forgeCertificate(organization.authorities.device, { uri, now });
    // Signed by a key of its own, in the device authority's name.
    const authority = { ...organization.authorities.device, privateKeyPem: first.keyPem };
    const forged = forgeCertificate(authority, { uri, now });
    const chainPem = forged.certificatePem;
    expect(await present({ ...forged, chainPem })).toMatchObject({ accepted: false });
    expect(await present({ ...first, chainPem: first.certificatePem })).toMatchObject({ accepted: true });
  });

  it('refuses an expired certificate, and one of tomorrow', async () => {
    const expired = await organization.issueDevice({ now: new Date((now - 8 * 86_400) * 1000) });
    const early = await organization.issueDevice({ now: new Date((now + 86_400) * 1000) });
    expect(await present(expired)).toEqual(refusedWith('CERT_HAS_EXPIRED'));
    expect(await present(early)).toEqual(refusedWith('CERT_NOT_YET_VALID'));
  });

  it('refuses a name that the device authority may not give', async () => {
    const names = (...values: Buffer[]): Forgery => ({
      extensions: { subjectAltName: subjectAltName(...values) },
    });
    // What Node makes of OpenSSL's permitted and excluded subtree violations.
    const violation = refusedWith('UNSPECIFIED');
    expect(await present(forge({}, 'spiffe://other.example/device/d-abc234'))).toEqual(violation);
    expect(await present(forge(names(dnsName('grants.apps.example.org'))))).toEqual(violation);
    expect(await present(forge(names(generalName(0x87, '\x7f\0\0\x01'))))).toEqual(violation);
    expect(await present(forge())).toMatchObject({ accepted: true });
  });

  it('refuses a device that is made for servers only', async () => {
    const forgery = { extensions: { extendedKeyUsage: extendedKeyUsage(purpose.serverAuth) } };
    expect(await present(forge(forgery))).toEqual(refusedWith('INVALID_PURPOSE'));
  });
});

describe('the root', () => {
  it('trusted in place of the device authority, does not make a client of a service', async () => {
    const listener = { key: gateway.keyPem, cert: gateway.chainPem, ca: organization.rootPem };
    const device = await organization.issueDevice();
    expect(await handshake(listener, { ...device, certificatePem: device.chainPem })).toMatchObject({
      accepted: true,
    });
    const forged = forgeCertificate(organization.authorities.service, { uri, now });
    const below = { ...forged, chainPem: forged.certificatePem + organization.serviceAuthorityPem };
    for (const service of [gateway, below]) {
      const client = { keyPem: service.keyPem, certificatePem: service.chainPem };
      expect(await handshake(listener, client)).toEqual(refusedWith('INVALID_PURPOSE'));
    }
  });
});
