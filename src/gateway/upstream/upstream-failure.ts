import { refuse } from '../../contract/refusals.ts';
import type { Refusal, RefusalCode } from '../../contract/refusals.ts';
import type { DialFailure } from '../../contract/ipc.ts';
import { DialError } from '../../routing/dialer.ts';

const ofDial: Readonly<Record<DialFailure, RefusalCode>> = {
  'connector-unavailable': 'connector-unavailable',
  'not-registered': 'upstream-unreachable',
  unreachable: 'upstream-unreachable',
  timeout: 'upstream-timeout',
  'name-unresolved': 'upstream-unreachable',
  'isolation-breach': 'isolation-breach',
};

/** Codes of undici and Node; what is not here is a connection that broke. */
const ofCode: Readonly<Record<string, RefusalCode>> = {
  UND_ERR_HEADERS_TIMEOUT: 'upstream-timeout',
  UND_ERR_BODY_TIMEOUT: 'upstream-timeout',
  UND_ERR_HEADERS_OVERFLOW: 'upstream-malformed',
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: 'upstream-malformed',
  UND_ERR_REQ_CONTENT_LENGTH_MISMATCH: 'bad-request',
  ETIMEDOUT: 'upstream-timeout',
};

/** Error codes of a certificate that did not verify, as OpenSSL and node:tls name them. */
const untrusted = /CERT|SELF_SIGNED|UNABLE_TO_|HOSTNAME_MISMATCH|INVALID_PURPOSE|INVALID_CA/;

/** Something that went wrong with an upstream, as a peer is told it. */
export class UpstreamError extends Error {
  override readonly name = 'UpstreamError';
  readonly refusal: Refusal;
  constructor(refusal: Refusal) {
    super(refusal.detail ?? refusal.code);
    this.refusal = refusal;
  }
}

/** @param where the upstream as the app's resource writes it. */
export function refusalOfError(error: unknown, where: string): Refusal {
  if (error instanceof UpstreamError) return error.refusal;
  if (error instanceof DialError) return refuse(ofDial[error.failure], `${where}: ${error.detail}`);
  const { code = '', message = '' } = error as { code?: unknown; message?: string };
  const name = String(code);
  // Parsers put pieces of what they read into their messages; a record needs no more than the kind.
  const detail = `${where}: ${name === '' ? 'failed' : name}`;
  if (name.startsWith('HPE_') || message.includes('HTTP/1.1 protocol'))
    return refuse('upstream-malformed', detail);
  const known = Object.hasOwn(ofCode, name) ? ofCode[name] : undefined;
  if (known !== undefined) return refuse(known, detail);
  return refuse(untrusted.test(name) ? 'upstream-untrusted' : 'upstream-reset', detail);
}
