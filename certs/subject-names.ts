import { isIP } from 'node:net';
import { profiles } from './profiles.ts';
import type { ProfileName } from './profiles.ts';
import { parseSpiffeUri } from './spiffe.ts';
import type { x509 } from './x509-library.ts';

/** Whom a certificate is for, in the issuer's own words. */
export interface CertificateSubject {
  readonly publicKeyPem: string;
  readonly uri?: string;
  readonly commonName?: string;
  readonly dnsNames?: readonly string[];
  readonly addresses?: readonly string[];
}

const dnsName = /^(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$/;

/** The names that go into the certificate, each of the one kind that its profile has. Throws TypeError. */
export function subjectNames(profileName: ProfileName, subject: CertificateSubject): x509.JsonGeneralNames {
  const { uri, dnsNames = [], addresses = [] } = subject;
  if (profiles[profileName].names === 'spiffe') {
    const domain = uri?.split('/')[2] ?? '';
    const kind = profileName === 'managed' ? 'device' : profileName;
    if (uri === undefined || parseSpiffeUri(uri, domain)?.kind !== kind || !dnsName.test(domain)) {
      throw new TypeError(`not the URI of a ${profileName}`);
    }
    if (dnsNames.length + addresses.length > 0)
      throw new TypeError(`a ${profileName} has no name but its URI`);
    return [{ type: 'url', value: uri }];
  }
  if (uri !== undefined || dnsNames.length + addresses.length === 0) {
    throw new TypeError(`a ${profileName} has DNS names or addresses and no URI`);
  }
  const wrong = [
    ...dnsNames.filter((name) => !dnsName.test(name)),
    ...addresses.filter((ip) => isIP(ip) === 0),
  ];
  if (wrong.length > 0) throw new TypeError(`not names of a service: ${wrong.join(' ')}`);
  return [
    ...dnsNames.map((value) => ({ type: 'dns' as const, value })),
    ...addresses.map((value) => ({ type: 'ip' as const, value })),
  ];
}
