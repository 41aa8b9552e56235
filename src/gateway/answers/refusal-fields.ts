import type { RefusalCode } from '../../contract/refusals.ts';

/**
 * That it was the gateway, and not the application, that made this answer, and why (RFC 9209): for who cannot read its body,
 * of an answer to HEAD or a page for people. An application cannot send either field.
 */
export const refusalFields = (code: RefusalCode, flowId: string, app: string | undefined): string[] => [
  'proxy-status',
  `postern; error=${proxyErrors[code] ?? 'http_request_denied'}${app === undefined ? '' : `; next-hop=${app}`}; details="${code}"`,
  'postern-flow-id',
  flowId,
];

const proxyErrors: Readonly<Partial<Record<RefusalCode, string>>> = {
  'upstream-unreachable': 'connection_refused',
  'upstream-reset': 'connection_terminated',
  'upstream-malformed': 'http_protocol_error',
  'upstream-untrusted': 'tls_certificate_error',
  'upstream-timeout': 'http_response_timeout',
  'connector-unavailable': 'destination_unavailable',
  'isolation-breach': 'destination_ip_prohibited',
  'internal-error': 'proxy_internal_error',
  'bad-request': 'http_request_error',
  'path-ambiguous': 'http_request_error',
  'header-name': 'http_request_error',
  'application-unknown': 'destination_not_found',
};
