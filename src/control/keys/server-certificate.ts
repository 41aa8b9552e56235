import { isIP } from 'node:net';
import { issueCertificate } from '../../../certs/authority.ts';
import type { AuthorityCertificate } from '../../../certs/authority.ts';
import { renewalTime } from '../../../certs/profiles.ts';
import { createKeyAndRequest, parseRequest } from '../../../certs/request.ts';

/** A certificate of ours to serve with, and its key: made in memory, never written to disk. */
export interface ServerCertificate {
  /** Leaf first, then the service authority and the root, so that a client that pins the root finds it. */
  readonly chainPem: string;
  readonly keyPem: string;
  /** Epoch seconds. */
  readonly renewAt: number;
}

/** Issues one for DNS names and numeric addresses, with a key of its own. `now` in epoch seconds. */
export async function issueServerCertificate(
  authority: AuthorityCertificate,
  rootPem: string,
  profile: 'gateway' | 'control' | 'policy',
  names: readonly string[],
  now: number,
): Promise<ServerCertificate> {
  const { privateKeyPem, csrPem } = await createKeyAndRequest();
  const { publicKeyPem } = await parseRequest(csrPem);
  const leaf = await issueCertificate(
    authority,
    profile,
    {
      publicKeyPem,
      dnsNames: names.filter((name) => isIP(name) === 0),
      addresses: names.filter((name) => isIP(name) !== 0),
    },
    new Date(now * 1000),
  );
  return {
    chainPem: leaf.certificatePem + authority.certificatePem + rootPem,
    keyPem: privateKeyPem,
    renewAt: renewalTime(leaf),
  };
}
