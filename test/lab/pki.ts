import { generateKeyPairSync, randomBytes, X509Certificate } from 'node:crypto';
import { createAuthorities, issueCertificate } from '../../certs/authority.ts';
import type { Authorities, AuthorityCertificate, IssuedLeaf } from '../../certs/authority.ts';
import type { ProfileName } from '../../certs/profiles.ts';
import { spiffeUri } from '../../certs/spiffe.ts';
import { certificateThumbprint } from '../../certs/thumbprint.ts';
import { createTrustAnchor } from '../../certs/trust-anchor.ts';
import type { IssuedCertificate } from '../../src/domain/device.ts';
import type { DeviceRole } from '../../src/domain/device.ts';
import type { DeviceId } from '../../src/domain/ids.ts';

/** A leaf with its key, as a server or client takes them. */
export interface LabCertificate {
  readonly keyPem: string;
  readonly certificatePem: string;
  /** Leaf first, then the authority that issued it: what `cert:` of node:tls wants. */
  readonly chainPem: string;
  /** Leaf, authority, root. */
  readonly bundlePem: string;
  readonly serial: string;
  readonly thumbprint: string;
  /** Epoch seconds. */
  readonly notBefore: number;
  readonly notAfter: number;
}

export interface LabDevice extends LabCertificate {
  readonly id: DeviceId;
  /** As the ledger keeps it. */
  readonly issued: IssuedCertificate;
}

export interface Organization {
  readonly domain: string;
  readonly authorities: Authorities;
  readonly rootPem: string;
  /** What a listener gives to `ca` to accept devices: the self-signed twin of the device authority. */
  readonly deviceAuthorityPem: string;
  readonly serviceAuthorityPem: string;
  /** base64url SHA-256 of the root, as enrollment tokens carry it. */
  readonly rootFingerprint: string;
  issueDevice(options?: { id?: string; now?: Date; role?: DeviceRole }): Promise<LabDevice>;
  issueGateway(options?: ServiceNames): Promise<LabCertificate>;
  issueControl(options?: ServiceNames): Promise<LabCertificate>;
  issuePolicySigner(): Promise<LabCertificate>;
  issueApp(host: string, options?: { now?: Date }): Promise<LabCertificate>;
}

export interface ServiceNames {
  readonly dnsNames?: readonly string[];
  readonly addresses?: readonly string[];
  readonly now?: Date;
}

const newKeys = (): { keyPem: string; publicKeyPem: string } => {
  const keys = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return {
    keyPem: keys.privateKey.export({ format: 'pem', type: 'pkcs8' }),
    publicKeyPem: keys.publicKey.export({ format: 'pem', type: 'spki' }),
  };
};

/** The authorities of a test's own organization, and leaves from them: all real, made on the spot. */
export async function makeOrganization(options: { domain?: string; now?: Date } = {}): Promise<Organization> {
  const domain = options.domain ?? 'example.org';
  const madeAt = options.now ?? new Date();
  const authorities = await createAuthorities({ domain, now: madeAt });
  const rootPem = authorities.root.certificatePem;

  const finish = (keyPem: string, leaf: IssuedLeaf, issuer: AuthorityCertificate): LabCertificate => {
    const chainPem = leaf.certificatePem + issuer.certificatePem;
    return { keyPem, ...leaf, chainPem, bundlePem: chainPem + rootPem };
  };
  const issueService = async (profile: ProfileName, names: ServiceNames): Promise<LabCertificate> => {
    const { keyPem, publicKeyPem } = newKeys();
    const { now = madeAt, ...subject } = names;
    const leaf = await issueCertificate(authorities.service, profile, { publicKeyPem, ...subject }, now);
    return finish(keyPem, leaf, authorities.service);
  };
  const loopback: ServiceNames = { dnsNames: ['localhost'], addresses: ['127.0.0.1', '::1'] };

  return {
    domain,
    authorities,
    rootPem,
    deviceAuthorityPem: await createTrustAnchor(authorities.device),
    serviceAuthorityPem: authorities.service.certificatePem,
    rootFingerprint: certificateThumbprint(new X509Certificate(rootPem).raw),
    issueDevice: async ({
      id = `d-${randomBytes(8).toString('hex')}`,
      now = madeAt,
      role = 'laptop',
    } = {}) => {
      const { keyPem, publicKeyPem } = newKeys();
      const profile = role === 'connector' ? 'connector' : 'device';
      const uri = spiffeUri(domain, profile, id);
      const subject = { publicKeyPem, uri, commonName: id };
      const leaf = await issueCertificate(authorities.device, profile, subject, now);
      const { serial, thumbprint, notAfter } = leaf;
      return {
        ...finish(keyPem, leaf, authorities.device),
        id: id as DeviceId,
        issued: { serial, thumbprint, notAfter },
      };
    },
    issueGateway: (names = {}) =>
      issueService('gateway', {
        dnsNames: [`gateway.${domain}`, 'localhost'],
        addresses: loopback.addresses ?? [],
        ...names,
      }),
    issueControl: (names = {}) => issueService('control', { ...loopback, ...names }),
    issuePolicySigner: () => issueService('policy', { dnsNames: [domain] }),
    issueApp: (host, { now } = {}) =>
      issueService('app', { dnsNames: [host], ...(now === undefined ? {} : { now }) }),
  };
}
