import { refuse } from '../contract/refusals.ts';
import type { Refusal } from '../contract/refusals.ts';
import type { Subject } from '../domain/subject.ts';
import type { TokenVerifier } from '../identity/session-token.ts';
import type { ClientConnection } from './connection.ts';

/**
 * The subject of a request: the connection's, unless the request brings another token. One that is not valid is
 * refused and never passed over for an earlier one. A string that was verified on this connection is only compared.
 */
export function verifyToken(
  connection: ClientConnection,
  header: string | undefined,
  verifier: TokenVerifier,
  nowSeconds: number,
  onAccepted: (subject: Subject) => void,
): Subject | Refusal | Promise<Subject | Refusal> {
  const { subject } = connection;
  if (header === undefined) return subject ?? refuse('token-missing');
  if (subject !== undefined && header === connection.rawAuthorization) return subject;
  return verifyFresh(connection, header, verifier, nowSeconds, onAccepted);
}

async function verifyFresh(
  connection: ClientConnection,
  header: string,
  verifier: TokenVerifier,
  nowSeconds: number,
  onAccepted: (subject: Subject) => void,
): Promise<Subject | Refusal> {
  const [, raw] = /^Bearer ([^ ]+)$/i.exec(header) ?? [];
  if (raw === undefined) return refuse('token-malformed', 'not a bearer token');
  const verification =
    connection.verifying?.raw === header
      ? connection.verifying
      : { raw: header, result: verifier.verify(raw, connection.certificate.thumbprint, nowSeconds) };
  connection.verifying = verification;
  const result = await verification.result;
  if (connection.verifying === verification) connection.verifying = undefined;
  if ('code' in result) return result;
  if (result.device !== connection.certificate.device)
    return refuse('token-bound-elsewhere', 'names another device');
  const known = connection.subject;
  if (known?.token.id === result.id) return known;
  const subject: Subject = { certificate: connection.certificate, token: result };
  // Whoever was verified last is not always the newest: an older token never replaces one that lasts longer.
  if (known === undefined || known.token.user !== result.user || result.expiresAt >= known.token.expiresAt) {
    connection.subject = subject;
    connection.rawAuthorization = header;
    onAccepted(subject);
  }
  return subject;
}
