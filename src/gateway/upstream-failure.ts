import { refuse } from '../contract/refusals.ts';
import type { Refusal, RefusalCode } from '../contract/refusals.ts';
import { DialError } from '../routing/dialer.ts';

const dialCodes = {
  'connector-unavailable': 'connector-unavailable',
  'not-registered': 'connector-unavailable',
  unreachable: 'upstream-unreachable',
  timeout: 'upstream-timeout',
  'name-unresolved': 'upstream-unreachable',
  'isolation-breach': 'isolation-breach',
} as const satisfies Record<DialError['failure'], RefusalCode>;

const errorCodes: Readonly<Record<string, RefusalCode>> = {
  UND_ERR_HEADERS_TIMEOUT: 'upstream-timeout',
  UND_ERR_BODY_TIMEOUT: 'upstream-timeout',
  UND_ERR_CONNECT_TIMEOUT: 'upstream-timeout',
  UND_ERR_HEADERS_OVERFLOW: 'upstream-malformed',
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: 'upstream-malformed',
};

/** Which refusal an upstream's failure is. */
export function upstreamRefusal(error: unknown): Refusal {
  if (error instanceof DialError) return refuse(dialCodes[error.failure], error.detail);
  const { code = '', message = String(error) } = error as { code?: string; message?: string };
  const known = errorCodes[code];
  if (known !== undefined) return refuse(known, message);
  if (code.startsWith('HPE_')) return refuse('upstream-malformed', message);
  if (/CERT|SELF_SIGNED|UNABLE_TO|ALTNAME/.test(code)) return refuse('upstream-untrusted', code);
  return refuse('upstream-reset', code === '' ? message : code);
}
