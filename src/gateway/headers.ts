import type { Refusal } from '../contract/refusals.ts';
import { refuse } from '../contract/refusals.ts';

/**
 * Header rules. Raw headers are flat lists of name, value, name, value, as Node gives them: exactly what was received,
 * duplicates included. The order is: check, strip, then add ours, and never filter again (CVE-2026-33805).
 */

const hopByHop: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authenticate',
  'proxy-authorization',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
  'expect',
]);

/** Names that only the gateway may set towards an application, and prefixes of such. */
const reserved: ReadonlySet<string> = new Set([
  'forwarded',
  'x-real-ip',
  'via',
  'host',
  'x-client-cert',
  'early-data',
]);
const reservedPrefixes = ['x-forwarded', 'postern-', 'proxy-'];

const isReserved = (name: string): boolean =>
  reserved.has(name) || reservedPrefixes.some((prefix) => name.startsWith(prefix));

/** What may appear once at most: two of them are read differently by two parsers. */
const single: ReadonlySet<string> = new Set([
  'host',
  'content-length',
  'content-type',
  'transfer-encoding',
  'authorization',
  'proxy-authorization',
  'expect',
  'upgrade',
]);

const contentType = /^[\w!#$&^.+-]+\/[\w!#$&^.+-]+[ \t]*(;[\t\x20-\x7e\x80-\xff]*)?$/;

/** What is read of a request's headers in one pass. */
export interface ReadHeaders {
  readonly host: string | undefined;
  readonly authorization: string | undefined;
  readonly userAgent: string | undefined;
  readonly accept: string;
  readonly acceptLanguage: string;
  /** Ready for the upstream: without pseudo, hop-by-hop and reserved names; ours are still to be added. */
  readonly forward: string[];
}

/** Reads once, refuses what is ambiguous. Names with `_` are refused: some applications read them as `-` (CVE-2025-64484). */
export function readHeaders(raw: readonly string[]): ReadHeaders | Refusal {
  let host: string | undefined;
  let authorization: string | undefined;
  let userAgent: string | undefined;
  let accept = '';
  let acceptLanguage = '';
  let nominated: Set<string> | undefined;
  let seen = '';
  const forward: string[] = [];
  for (let index = 0; index < raw.length; index += 2) {
    const name = (raw[index] ?? '').toLowerCase();
    const value = raw[index + 1] ?? '';
    if (name.startsWith(':')) continue;
    if (name.includes('_')) return refuse('header-name', `${name.slice(0, 64)} has an underscore`);
    if (single.has(name)) {
      if (seen.includes(`,${name},`)) return refuse('header-duplicate', name);
      seen += `,${name},`;
    }
    switch (name) {
      case 'host':
        host = value;
        continue;
      case 'proxy-authorization':
        authorization = value;
        continue;
      case 'connection':
        nominated = nominate(value, nominated);
        continue;
      case 'transfer-encoding':
        if (value.toLowerCase() !== 'chunked')
          return refuse('bad-request', 'transfer coding other than chunked');
        continue;
      case 'expect':
        if (value.toLowerCase() !== '100-continue')
          return refuse('bad-request', 'expectation other than 100-continue');
        continue;
      case 'content-type':
        if (!contentType.test(value)) return refuse('content-type-malformed');
        break;
      case 'user-agent':
        userAgent = value;
        break;
      case 'accept':
        accept = value;
        break;
      case 'accept-language':
        acceptLanguage = value;
        break;
      default:
    }
    if (hopByHop.has(name) || isReserved(name)) continue;
    forward.push(name, value);
  }
  if (nominated !== undefined) stripNominated(forward, nominated);
  return { host, authorization, userAgent, accept, acceptLanguage, forward };
}

function nominate(value: string, known: Set<string> | undefined): Set<string> | undefined {
  const lower = value.toLowerCase();
  if (lower === 'keep-alive' || lower === 'close' || lower === 'upgrade') return known;
  const names = known ?? new Set<string>();
  for (const name of lower.split(',')) names.add(name.trim());
  return names;
}

function stripNominated(flat: string[], nominated: ReadonlySet<string>): void {
  for (let index = flat.length - 2; index >= 0; index -= 2) {
    if (nominated.has(flat[index] ?? '')) flat.splice(index, 2);
  }
}

/** Headers of an upstream's answer for the client: hop-by-hop ones and names of ours are not the upstream's to send. */
export function readAnswerHeaders(
  raw: readonly (Buffer | string)[],
): { flat: string[]; contentLength: number | undefined } | undefined {
  let nominated: Set<string> | undefined;
  let contentLength: number | undefined;
  const flat: string[] = [];
  for (let index = 0; index < raw.length; index += 2) {
    const name = text(raw[index]).toLowerCase();
    const value = text(raw[index + 1]);
    if (name === 'connection') nominated = nominate(value, nominated);
    if (name === 'content-length') {
      // Two lengths, even equal ones: an upstream that cannot count is not to be framed for (CVE-2026-1525).
      if (contentLength !== undefined || !/^[0-9]{1,15}$/.test(value)) return undefined;
      contentLength = Number(value);
    }
    if (hopByHop.has(name) || name.startsWith('postern-')) continue;
    flat.push(name, value);
  }
  if (nominated !== undefined) stripNominated(flat, nominated);
  return { flat, contentLength };
}

const text = (value: Buffer | string | undefined): string =>
  typeof value === 'string' ? value : (value?.toString('latin1') ?? '');

/** Flat headers by name, for interfaces that take them so; a name that came several times becomes a list. */
export function named(flat: readonly string[]): Record<string, string | string[]> {
  const headers = Object.create(null) as Record<string, string | string[]>;
  for (let index = 0; index < flat.length; index += 2) {
    const [name = '', value = ''] = [flat[index], flat[index + 1]];
    const known = headers[name];
    if (known === undefined) headers[name] = value;
    else if (Array.isArray(known)) known.push(value);
    else headers[name] = [known, value];
  }
  return headers;
}
