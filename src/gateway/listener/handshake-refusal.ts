import { refuse } from '../../contract/refusals.ts';
import type { Refusal, RefusalCode } from '../../contract/refusals.ts';

/** OpenSSL's word on a client certificate, as Node names it. */
const ofVerification: Readonly<Record<string, RefusalCode>> = {
  CERT_HAS_EXPIRED: 'certificate-expired',
  CERT_NOT_YET_VALID: 'certificate-not-yet-valid',
};

/** The name in the client's hello is none of ours. */
export class ServerNameUnknown extends Error {
  override readonly name = 'ServerNameUnknown';
}

/**
 * Why a handshake failed.
 * @param authorizationError what verification said, where it came so far.
 */
export function refusalOfHandshake(
  error: NodeJS.ErrnoException,
  authorizationError: string | undefined,
): Refusal {
  if (error instanceof ServerNameUnknown) return refuse('server-name-unknown', error.message);
  if (authorizationError !== undefined && authorizationError !== '')
    return refuse(ofVerification[authorizationError] ?? 'certificate-untrusted', authorizationError);
  const code = error.code ?? error.name;
  if (code === 'ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE') return refuse('certificate-missing', code);
  return refuse('handshake-failed', code);
}
