import { refuse } from '../../contract/refusals.ts';
import type { Refusal, RefusalCode } from '../../contract/refusals.ts';
import type { DialFailure } from '../../contract/ipc.ts';
import { DialError } from '../../routing/dialer.ts';
import { AnswerMalformed } from './answer-parser.ts';

const ofDial: Readonly<Record<DialFailure, RefusalCode>> = {
  'connector-unavailable': 'connector-unavailable',
  'not-registered': 'upstream-unreachable',
  unreachable: 'upstream-unreachable',
  timeout: 'upstream-timeout',
  'name-unresolved': 'upstream-unreachable',
  'isolation-breach': 'isolation-breach',
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
  if (error instanceof AnswerMalformed) return refuse('upstream-malformed', `${where}: ${error.message}`);
  const { code = '' } = error as { code?: unknown };
  const name = String(code);
  // What a peer sent may be in the message; a record needs no more than the kind.
  const detail = `${where}: ${name === '' ? 'failed' : name}`;
  if (name === 'ETIMEDOUT') return refuse('upstream-timeout', detail);
  return refuse(untrusted.test(name) ? 'upstream-untrusted' : 'upstream-reset', detail);
}
