import { createPublicKey } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { UserName } from '../../../src/domain/ids.ts';
import { signSessionToken } from '../../../src/identity/session-token.ts';
import { createSigningKey, loadSigningKey } from '../../../src/identity/signing-key.ts';
import { makeOrganization } from '../../lab/pki.ts';
import { appHost, posture, user } from './target.ts';
import type { ClientIdentity } from './target.ts';

/** What the peers need to do the same job: certificates of the same kinds, a token of the same form and key. */
export interface PeerFiles {
  readonly client: ClientIdentity;
  readonly serverBundle: string;
  readonly serverCertificate: string;
  readonly serverKey: string;
  readonly deviceAuthority: string;
  readonly tokenKey: string;
}

export async function writePeerFiles(directory: string): Promise<PeerFiles> {
  const organization = await makeOrganization();
  const device = await organization.issueDevice();
  const server = await organization.issueApp(appHost);
  const now = Math.floor(Date.now() / 1000);
  const { privateKeyPem, published } = createSigningKey('session', now);
  const { token } = await signSessionToken(loadSigningKey(published.kid, privateKeyPem), {
    domain: organization.domain,
    user: user as UserName,
    device: device.id,
    thumbprint: device.thumbprint,
    claims: {},
    posture: { ...posture, measuredAt: now },
    now,
  });
  const write = (name: string, content: string): string => {
    const path = join(directory, name);
    writeFileSync(path, content, { mode: 0o600 });
    return path;
  };
  const tokenKeyPem = createPublicKey({ key: published.jwk, format: 'jwk' }).export({
    format: 'pem',
    type: 'spki',
  });
  return {
    client: {
      certificatePem: device.chainPem,
      keyPem: device.keyPem,
      authorityPem: organization.rootPem,
      serverName: appHost,
      token,
    },
    serverBundle: write('server-bundle.pem', server.chainPem + server.keyPem),
    serverCertificate: write('server.crt', server.chainPem),
    serverKey: write('server.key', server.keyPem),
    deviceAuthority: write('device-authority.crt', organization.deviceAuthorityPem),
    tokenKey: write('token-key.pem', tokenKeyPem),
  };
}
