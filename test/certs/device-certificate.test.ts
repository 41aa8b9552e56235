import { X509Certificate } from 'node:crypto';
import { beforeAll, describe, expect, it } from 'vitest';
import { checkDeviceCertificate } from '../../certs/device-certificate.ts';
import { makeOrganization } from '../lab/pki.ts';
import type { Organization } from '../lab/pki.ts';
import {
  basicConstraints,
  dnsName,
  ed25519PublicKey,
  extendedKeyUsage,
  extension,
  forgeCertificate,
  generalName,
  keyUsage,
  p384PublicKey,
  purpose,
  rsaPublicKey,
  subjectAltName,
  uriName,
} from './forge.ts';
import type { Forgery } from './forge.ts';

const domain = 'example.org';
const now = 1_800_000_000;
const uri = `spiffe://${domain}/device/d-abc234`;
const hex = (text: string): Buffer => Buffer.from(text, 'hex');
const names = (...values: Buffer[]): Forgery => ({
  extensions: { subjectAltName: subjectAltName(...values) },
});

let organization: Organization;
beforeAll(async () => {
  organization = await makeOrganization({ domain, now: new Date(now * 1000) });
});

const checkForged = (forgery: Forgery = {}, at = now) => {
  const { certificate } = forgeCertificate(organization.authorities.device, { uri, now }, forgery);
  return checkDeviceCertificate(certificate, { domain, now: at });
};

describe('a device certificate', () => {
  it('is accepted as the authority issues it, with everything that the record needs', async () => {
    const device = await organization.issueDevice({ id: 'd-abc234' });
    const certificate = new X509Certificate(device.certificatePem);
    expect(checkDeviceCertificate(certificate, { domain, now })).toEqual({
      ok: true,
      device: 'd-abc234',
      role: 'device',
      serial: device.serial,
      thumbprint: device.thumbprint,
      issuer: 'O=example.org, CN=Postern Device Authority',
      subject: 'CN=d-abc234',
      notBefore: now - 300,
      notAfter: now + 7 * 86_400,
    });
    expect(certificate.serialNumber.replace(/^0+/, '')).toBe(device.serial);
    expect(Date.parse(certificate.validTo) / 1000).toBe(device.notAfter);
  });

  it('of a connector is told apart from one of a laptop', async () => {
    const connector = await organization.issueDevice({ id: 'c-1', role: 'connector' });
    const checked = checkDeviceCertificate(new X509Certificate(connector.certificatePem), { domain, now });
    expect(checked).toMatchObject({ ok: true, device: 'c-1', role: 'connector' });
  });

  it('is accepted as the forge writes it when nothing is changed', () => {
    expect(checkForged()).toMatchObject({ ok: true, device: 'd-abc234', role: 'device' });
  });
});

const refused: readonly [title: string, forgery: () => Forgery, detail: string][] = [
  [
    'of an authority',
    () => ({ extensions: { basicConstraints: basicConstraints('30030101ff') } }),
    'not CA:FALSE',
  ],
  ['without basic constraints', () => ({ extensions: { basicConstraints: undefined } }), 'not CA:FALSE'],
  [
    'with basic constraints that are not critical',
    () => ({ extensions: { basicConstraints: basicConstraints('3000', false) } }),
    'not CA:FALSE',
  ],
  [
    'with CA:FALSE spelled out, which DER forbids',
    () => ({ extensions: { basicConstraints: basicConstraints('3003010100') } }),
    'not CA:FALSE',
  ],
  ['that may sign certificates', () => ({ extensions: { keyUsage: keyUsage('03020284') } }), 'key usage'],
  ['without key usage', () => ({ extensions: { keyUsage: undefined } }), 'key usage'],
  [
    'for clients and servers',
    () => ({ extensions: { extendedKeyUsage: extendedKeyUsage(purpose.clientAuth, purpose.serverAuth) } }),
    'extended key usage is not clientAuth alone',
  ],
  [
    'for servers',
    () => ({ extensions: { extendedKeyUsage: extendedKeyUsage(purpose.serverAuth) } }),
    'extended key usage is not clientAuth alone',
  ],
  [
    'for any purpose',
    () => ({ extensions: { extendedKeyUsage: extendedKeyUsage(purpose.any) } }),
    'extended key usage is not clientAuth alone',
  ],
  [
    'without extended key usage',
    () => ({ extensions: { extendedKeyUsage: undefined } }),
    'extended key usage is not clientAuth alone',
  ],
  [
    'with two URIs',
    () => names(uriName(uri), uriName(`spiffe://${domain}/device/d-other`)),
    'subject alternative name is not one URI',
  ],
  [
    'with a DNS name beside its URI',
    () => names(uriName(uri), dnsName('grants.apps.example.org')),
    'subject alternative name is not one URI',
  ],
  [
    'with a DNS name that reads like a URI',
    () => names(dnsName(`x, URI:${uri}`)),
    'subject alternative name is not one URI',
  ],
  [
    'with an e-mail address that is our URI',
    () => names(generalName(0x81, uri)),
    'subject alternative name is not one URI',
  ],
  [
    'without a name',
    () => ({ extensions: { subjectAltName: undefined } }),
    'subject alternative name is not one URI',
  ],
  ['with an RSA key', () => ({ publicKey: rsaPublicKey() }), 'key is not P-256'],
  ['with a P-384 key', () => ({ publicKey: p384PublicKey() }), 'key is not P-256'],
  ['with an Ed25519 key', () => ({ publicKey: ed25519PublicKey() }), 'key is not P-256'],
  ['with the serial number zero', () => ({ serial: hex('00') }), 'serial number is zero'],
  ['with a negative serial number', () => ({ serial: hex('80ffff') }), 'serial number is negative'],
  [
    'with a serial number of 21 octets',
    () => ({ serial: hex(`01${'00'.repeat(20)}`) }),
    'serial number of no or too many octets',
  ],
  ['that lives a year', () => ({ notAfter: now + 365 * 86_400 }), 'lifetime out of bounds'],
  [
    'that lives a minute longer than a week',
    () => ({ notAfter: now + 7 * 86_400 + 60 }),
    'lifetime out of bounds',
  ],
  ['that ends before it begins', () => ({ notAfter: now - 301 }), 'lifetime out of bounds'],
  [
    'with an extension that is not ours',
    () => ({ moreExtensions: [extension('551d20', hex('3000'))] }),
    'extension 551d20 does not belong',
  ],
  [
    'with one extension twice',
    () => ({ moreExtensions: [subjectAltName(uriName(`spiffe://${domain}/device/d-other`))] }),
    'an extension given twice',
  ],
];

describe('no device certificate', () => {
  it.each(refused)('is one %s', (_title, forgery, detail) => {
    expect(checkForged(forgery())).toEqual({ ok: false, problem: 'certificate-profile', detail });
  });

  it('is one of version 1, which has no extensions', () => {
    const bare = Object.fromEntries(
      ['basicConstraints', 'keyUsage', 'extendedKeyUsage', 'subjectAltName'].map((name) => [name, undefined]),
    );
    expect(checkForged({ version: Buffer.alloc(0), extensions: bare })).toEqual({
      ok: false,
      problem: 'certificate-profile',
      detail: 'a certificate of version 1',
    });
  });

  it('is one of version 2 with the right extensions', () => {
    expect(checkForged({ version: hex('a003020101') })).toMatchObject({
      ok: false,
      detail: 'not a certificate of version 3',
    });
  });

  it('is a certificate of the service authority', async () => {
    for (const issue of [
      organization.issueGateway(),
      organization.issueControl(),
      organization.issueApp('a.example.org'),
    ]) {
      const { certificatePem } = await issue;
      expect(checkDeviceCertificate(new X509Certificate(certificatePem), { domain, now })).toMatchObject({
        ok: false,
        problem: 'certificate-profile',
      });
    }
  });

  it('is the device authority itself, or the root', () => {
    for (const pem of [organization.deviceAuthorityPem, organization.rootPem]) {
      expect(checkDeviceCertificate(new X509Certificate(pem), { domain, now })).toMatchObject({ ok: false });
    }
  });
});

// What URI parsers fold, decode or resolve, and string comparison does not.
const otherUris = [
  'spiffe://evil.example/device/d-abc234',
  'spiffe://example.org.evil.example/device/d-abc234',
  'spiffe://evil.example@example.org/device/d-abc234',
  'spiffe://example.org:443/device/d-abc234',
  'spiffe://EXAMPLE.org/device/d-abc234',
  'SPIFFE://example.org/device/d-abc234',
  'https://example.org/device/d-abc234',
  'spiffe://example.org/device/',
  'spiffe://example.org/device',
  'spiffe://example.org/device/d-abc234/',
  'spiffe://example.org/device/d-abc234/x',
  'spiffe://example.org/device/../device/d-abc234',
  'spiffe://example.org/device/%64-abc234',
  'spiffe://example.org/device/d-abc234?x',
  'spiffe://example.org/device/d-abc234#x',
  'spiffe://example.org//device/d-abc234',
  'spiffe://example.org/control/d-abc234',
  'spiffe://example.org/device/D-ABC234',
  'spiffe://example.org/device/d-abc234\0',
  'spiffe://example.org/device/d-abc234\n',
  'spiffe://example.org/device/d-abc\xe9',
  `spiffe://example.org/device/${'d'.repeat(64)}`,
  'spiffe://example.org/device/d-abc234, URI:spiffe://example.org/device/d-other',
];

describe('the URI of a device', () => {
  it.each(otherUris)('is not %j', (other) => {
    expect(checkForged(names(uriName(other)))).toEqual({
      ok: false,
      problem: 'certificate-profile',
      detail: 'URI is not a device of this domain',
    });
  });
});

describe('the time of a device certificate', () => {
  it.each([
    ['refused a second before it begins', now - 301, 'certificate-not-yet-valid'],
    ['refused a second after its end', now + 7 * 86_400 + 1, 'certificate-expired'],
  ])('is %s', (_title, at, problem) => {
    expect(checkForged({}, at)).toMatchObject({ ok: false, problem });
  });

  it.each([now - 300, now + 7 * 86_400])('is accepted at its very edge (%i)', (at) => {
    expect(checkForged({}, at)).toMatchObject({ ok: true });
  });
});
