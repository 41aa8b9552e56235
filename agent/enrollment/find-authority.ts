import { isIP } from 'node:net';
import { connect } from 'node:tls';
import type { DetailedPeerCertificate } from 'node:tls';
import { X509Certificate } from 'node:crypto';
import { certificateThumbprint } from '../../certs/thumbprint.ts';

/** What the server at the URL presented, and whether the pinned authority was among it. */
export type FoundAuthority =
  | { readonly ok: true; readonly authorityPem: string }
  /** `seen`: fingerprints of what was there instead, leaf first, for the message. */
  | { readonly ok: false; readonly seen: readonly string[] };

const maxChainLength = 10;

function presentedChain(leaf: DetailedPeerCertificate): Buffer[] {
  const chain: Buffer[] = [];
  let next: DetailedPeerCertificate | undefined = leaf;
  while (next?.raw !== undefined && chain.length < maxChainLength) {
    chain.push(next.raw);
    // A self-signed certificate is its own issuer.
    next = next.issuerCertificate === next ? undefined : next.issuerCertificate;
  }
  return chain;
}

/**
 * Looks at the chain that a server presents and takes from it the one certificate whose SHA-256 is the given
 * fingerprint. Nothing is sent and nothing is trusted here: the caller connects anew, verifying against what was found,
 * so a server that merely shows our root without a certificate below it gains nothing.
 * @throws the error of the connection.
 */
export function findAuthority(
  target: { readonly host: string; readonly port: number },
  fingerprint: string,
  timeoutMs: number,
): Promise<FoundAuthority> {
  return new Promise((resolve, reject) => {
    const socket = connect({
      ...target,
      ...(isIP(target.host) === 0 ? { servername: target.host } : {}),
      // The only connection of the agent that does not verify; it ends before a byte of ours is written.
      rejectUnauthorized: false,
      minVersion: 'TLSv1.3',
      ALPNProtocols: ['http/1.1'],
    });
    const timer = setTimeout(() => socket.destroy(new Error('timed out')), timeoutMs);
    socket.once('error', reject);
    socket.once('close', () => {
      clearTimeout(timer);
      reject(new Error('connection closed in the handshake'));
    });
    socket.once('secureConnect', () => {
      const chain = presentedChain(socket.getPeerCertificate(true));
      const found = chain.find((der) => certificateThumbprint(der) === fingerprint);
      resolve(
        found === undefined
          ? { ok: false, seen: chain.map((der) => certificateThumbprint(der)) }
          : { ok: true, authorityPem: new X509Certificate(found).toString() },
      );
      socket.destroy();
    });
  });
}
