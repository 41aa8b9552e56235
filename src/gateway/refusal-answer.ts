import { buildProblem, refusals } from '../contract/refusals.ts';
import type { Refusal } from '../contract/refusals.ts';
import type { Exchange } from './exchange.ts';

/** What a refused client is told: problem details (RFC 9457), or a page with the same facts for a browser. */
export interface RefusalAnswer {
  readonly status: number;
  readonly headers: readonly string[];
  readonly body: string;
}

const wantsFrench = (acceptLanguage: string): boolean => /^\s*fr\b/i.test(acceptLanguage);
const escapeHtml = (text: string): string =>
  text.replaceAll(/[&<>"']/g, (character) => `&#${character.codePointAt(0) ?? 63};`);

/** RFC 9209: which hop failed and how, for whoever debugs it. */
const proxyErrors: Readonly<Record<string, string>> = {
  'upstream-unreachable': 'destination_unavailable',
  'upstream-reset': 'connection_terminated',
  'upstream-malformed': 'http_protocol_error',
  'upstream-untrusted': 'tls_certificate_error',
  'upstream-timeout': 'http_response_timeout',
  'connector-unavailable': 'destination_unavailable',
};

export function buildRefusalAnswer(refusal: Refusal, exchange: Exchange): RefusalAnswer {
  const { status } = refusals[refusal.code];
  const language = wantsFrench(exchange.headers?.acceptLanguage ?? '') ? 'fr' : 'en';
  const isUpstreams = Object.hasOwn(proxyErrors, refusal.code);
  const problem = buildProblem(refusal.code, language, {
    flowId: exchange.id,
    ...(isUpstreams && exchange.app !== undefined ? { detail: `application ${exchange.app.name}` } : {}),
  });
  const headers = [
    'cache-control',
    'no-store',
    'content-language',
    language,
    'x-content-type-options',
    'nosniff',
  ];
  if (status === 401) headers.push('www-authenticate', 'Bearer realm="postern"');
  if (isUpstreams) headers.push('proxy-status', `postern; error=${proxyErrors[refusal.code]}`);
  if (!(exchange.headers?.accept ?? '').includes('text/html')) {
    const body = JSON.stringify(problem);
    headers.push(
      'content-type',
      'application/problem+json',
      'content-length',
      String(Buffer.byteLength(body)),
    );
    return { status, headers, body };
  }
  const body = `<!doctype html>
<html lang="${language}"><meta charset="utf-8"><title>${escapeHtml(problem.title)}</title>
<style>body{font:1.1rem/1.5 system-ui,sans-serif;max-width:38rem;margin:4rem auto;padding:0 1rem}dt{color:#57606a}dd{margin:0 0 .6rem;font-family:monospace}</style>
<h1>${escapeHtml(problem.title)}</h1><p>${escapeHtml(problem.help)}</p>
<dl><dt>code<dd>${problem.code}<dt>flow_id<dd>${exchange.id}</dl></html>
`;
  headers.push(
    'content-type',
    'text/html; charset=utf-8',
    'content-length',
    String(Buffer.byteLength(body)),
    'content-security-policy',
    "default-src 'none'; style-src 'unsafe-inline'",
    'vary',
    'accept, accept-language',
  );
  return { status, headers, body };
}
