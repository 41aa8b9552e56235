import { isIP } from 'node:net';
import type { OnReadOpts } from 'node:net';
import { connect } from 'node:tls';
import type { TLSSocket } from 'node:tls';
import { clientContext, keyFailure } from '../keys/client-context.ts';
import type { ClientCertificate } from '../keys/client-context.ts';

export interface ConnectionTarget {
  readonly host: string;
  readonly port: number;
  /** Name that the certificate must bear; the host where it is not given. */
  readonly serverName?: string;
}

/** The root that the other side has to lead to: by itself, or as that of a laptop that shows its certificate too. */
export type Trust =
  | { readonly authorityPem: string; readonly client?: undefined }
  | { readonly client: ClientCertificate };

export type ConnectionOptions = Trust & {
  readonly protocol: 'h2' | 'http/1.1';
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
  /** Where to put what comes, instead of in buffers of its own. */
  readonly onread?: OnReadOpts;
};

/** The other side did not prove to be who it should be. Never worth a retry with less. */
export class UntrustedPeer extends Error {
  override readonly name = 'UntrustedPeer';
}

/**
 * A TLS 1.3 connection whose other end has proven its name to our authority before the caller gets it. Nothing can be
 * written earlier: what Node buffers during a handshake may be sent before its verdict on the certificate is known.
 * @throws UntrustedPeer, KeyUnusable, or the error of the socket.
 */
export function connectVerified(target: ConnectionTarget, options: ConnectionOptions): Promise<TLSSocket> {
  const name = target.serverName ?? target.host;
  return new Promise((resolve, reject) => {
    const socket = connect({
      host: target.host,
      port: target.port,
      // RFC 6066, section 3: no addresses in the server name. The identity is checked against the host then.
      ...(isIP(name) === 0 ? { servername: name } : {}),
      ...(options.client === undefined
        ? { ca: [options.authorityPem], minVersion: 'TLSv1.3' }
        : { secureContext: clientContext(options.client) }),
      ALPNProtocols: [options.protocol],
      rejectUnauthorized: true,
      ...(options.onread === undefined ? {} : { onread: options.onread }),
    });
    const finish = (error?: Error): void => {
      clearTimeout(timer);
      options.signal?.removeEventListener('abort', onAbort);
      if (error === undefined) return;
      socket.on('error', () => {});
      socket.destroy();
      reject(error);
    };
    const onAbort = (): void => finish(new Error('given up'));
    const timer = setTimeout(() => finish(new Error('timed out')), options.timeoutMs);
    options.signal?.addEventListener('abort', onAbort, { once: true });
    if (options.signal?.aborted === true) return onAbort();
    socket.once('error', (error: NodeJS.ErrnoException) => {
      const own = keyFailure(options.client, error);
      finish(own ?? (isVerdict(error) ? new UntrustedPeer(error.message, { cause: error }) : error));
    });
    socket.once('close', () => finish(new Error('connection closed in the handshake')));
    socket.once('secureConnect', () => {
      // Node refuses by itself with rejectUnauthorized; this line is for the day that an option turns it off.
      if (!socket.authorized) return finish(new UntrustedPeer('certificate not verified'));
      if (options.protocol === 'h2' && socket.alpnProtocol !== 'h2')
        return finish(new Error('no HTTP/2 there'));
      finish();
      socket.removeAllListeners('error');
      socket.removeAllListeners('close');
      resolve(socket);
    });
  });
}

/** OpenSSL's verification results and Node's name check have codes of their own; network errors are E… of libuv. */
function isVerdict(error: NodeJS.ErrnoException): boolean {
  const code = error.code ?? '';
  return code === 'ERR_TLS_CERT_ALTNAME_INVALID' || verdicts.has(code) || code.startsWith('CERT_');
}

const verdicts: ReadonlySet<string> = new Set([
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'INVALID_CA',
  'INVALID_PURPOSE',
  'PATH_LENGTH_EXCEEDED',
  'HOSTNAME_MISMATCH',
  'UNABLE_TO_DECRYPT_CERT_SIGNATURE',
  'UNABLE_TO_DECODE_ISSUER_PUBLIC_KEY',
]);
