import { checkServerIdentity } from 'node:tls';
import type { ConnectionOptions, PeerCertificate } from 'node:tls';
import { hash } from 'node:crypto';
import { isIP } from 'node:net';
import type { ResolvedTls } from './resolved-sink.ts';

export type TlsOptions = Pick<ConnectionOptions, 'minVersion' | 'servername' | 'ca' | 'cert' | 'key'> & {
  checkServerIdentity: (host: string, peer: PeerCertificate) => Error | undefined;
};

/** How to connect to a receiver: its chain and name are checked, and where some are pinned, that it is one of those. */
export function tlsOptions(host: string, tls: ResolvedTls = {}): TlsOptions {
  const { ca, certificate, key, serverName = host, pinnedCertificates } = tls;
  return {
    minVersion: 'TLSv1.2',
    // An address is no server name (RFC 6066); the certificate is held against it all the same.
    ...(isIP(serverName) === 0 ? { servername: serverName } : {}),
    ...(ca === undefined ? {} : { ca }),
    ...(certificate === undefined ? {} : { cert: certificate }),
    ...(key === undefined ? {} : { key }),
    checkServerIdentity: (_, peer: PeerCertificate) => {
      if (pinnedCertificates !== undefined && !pinnedCertificates.includes(hash('sha256', peer.raw, 'hex')))
        return new Error(`the certificate of ${serverName} is none of those that are pinned`);
      return checkServerIdentity(serverName, peer);
    },
  };
}
