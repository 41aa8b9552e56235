import { refuse } from '../../contract/refusals.ts';
import type { Refusal } from '../../contract/refusals.ts';
import { parseAuthority } from '../fields/authority.ts';
import { mayHoldSessionCookie, splitCookies } from '../../contract/session-cookie.ts';
import { isContentType } from '../fields/content-type.ts';
import type { Exchange } from '../exchange.ts';
import { addConnectionOptions, fieldNameOf } from '../fields/field-names.ts';
import type { Flow } from '../flow.ts';
import type { Gateway } from '../gateway.ts';
import { valueOf } from '../fields/raw-fields.ts';
import type { RequestHead } from '../fields/request-head.ts';
import { findAmbiguity } from '../fields/request-path.ts';

/** Fields that may stand once: of two, one reader takes the first and another the last. */
const single = new Set([
  'host',
  'content-length',
  'transfer-encoding',
  'content-type',
  'authorization',
  'proxy-authorization',
  'user-agent',
]);
/** TRACE would echo what we add; the others are no methods of requests to applications. */
const methodsNotAllowed = new Set(['TRACE', 'TRACK', 'PRI']);
const absoluteForm = /^(https?):\/\/([^/?#]*)(.*)$/i;
const maxTargetLength = 16_384;
/** What a field is taken to cost beside its text (RFC 9113, section 6.5.2). */
const fieldOverheadBytes = 32;

interface Fields {
  host: string | undefined;
  contentLength: number | undefined;
  userAgent: string | undefined;
  accept: string | undefined;
  acceptLanguage: string | undefined;
  proxyAuthorization: string | undefined;
  sessionCookie: string | undefined;
  acceptsTrailers: boolean;
  readonly forwardable: string[];
}

/** Reads what is asked, and refuses what two parsers could read two ways. */
export function readRequest(flow: Flow, { settings }: Gateway): Refusal | undefined {
  const { exchange } = flow;
  const fields = readFields(exchange, settings.limits.maxHeaderBytes);
  if ('code' in fields) {
    // As much as can be told of a request that is refused, for its record.
    flow.head = emptyHead(exchange);
    return fields;
  }
  const target = readTarget(exchange, fields);
  if ('code' in target) {
    flow.head = emptyHead(exchange);
    return target;
  }
  const { host: _, ...read } = fields;
  const head = { ...read, ...target };
  flow.head = head;
  return checkMessage(exchange, head);
}

function checkMessage(exchange: Exchange, head: RequestHead): Refusal | undefined {
  if (methodsNotAllowed.has(exchange.method)) return refuse('method-not-allowed', exchange.method);
  if (exchange.method === 'CONNECT') return undefined;
  if (head.target.length > maxTargetLength) return refuse('uri-too-long');
  const ambiguity = findAmbiguity(head.target);
  return ambiguity === undefined ? undefined : refuse('path-ambiguous', ambiguity);
}

function readFields(exchange: Exchange, maxHeaderBytes: number): Fields | Refusal {
  const { rawHeaders } = exchange;
  const fields: Fields = {
    host: undefined,
    contentLength: undefined,
    userAgent: undefined,
    accept: undefined,
    acceptLanguage: undefined,
    proxyAuthorization: undefined,
    sessionCookie: undefined,
    acceptsTrailers: false,
    forwardable: [],
  };
  let seen = 0;
  let size = 0;
  let named: Set<string> | undefined;
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const { name, role } = fieldNameOf(rawHeaders[index] ?? '');
    const value = rawHeaders[index + 1] ?? '';
    size += name.length + value.length + fieldOverheadBytes;
    if (role === 'forward') fields.forwardable.push(name, value);
    else if (role === 'refuse') return refuse('header-name', name.slice(0, 64));
    else if (role === 'read') {
      const bit = singleBits.get(name) ?? 0;
      if ((seen & bit) !== 0) return refuse('header-duplicate', name);
      seen |= bit;
      if (name === 'connection') addConnectionOptions(value, (named ??= new Set()));
      else {
        const problem = readField(fields, name, value);
        if (problem !== undefined) return problem;
      }
    } else if (name === 'expect' && value.toLowerCase() !== '100-continue') {
      return refuse('bad-request', 'Expect is not 100-continue');
    }
  }
  // The parser of HTTP/1.1 stops by itself, by the octets that came; of HTTP/2 few octets may have become many.
  if (size > maxHeaderBytes && exchange.httpVersion === '2.0') return refuse('headers-too-large');
  // What the client's Connection names ends here, before anything of ours is added: it cannot remove our own.
  if (named !== undefined && named.size > 0) dropNamed(fields.forwardable, named);
  return fields;
}

const singleBits = new Map([...single].map((name, index) => [name, 1 << index]));

function readField(fields: Fields, name: string, value: string): Refusal | undefined {
  switch (name) {
    case 'host':
      fields.host = value;
      return undefined;
    case 'content-length':
      if (!/^[0-9]{1,15}$/.test(value)) return refuse('bad-request', 'Content-Length');
      fields.contentLength = Number(value);
      return undefined;
    case 'transfer-encoding':
      // Of codings that a parser may know and another not, only the one that all know (RFC 9112, section 6.1).
      return value.toLowerCase() === 'chunked' ? undefined : refuse('bad-request', 'Transfer-Encoding');
    case 'te':
      // Of transfer codings only trailers are passed on (RFC 9110, section 10.1.4).
      fields.acceptsTrailers ||= /(?:^|,)[ \t]*trailers[ \t]*(?:,|$)/i.test(value);
      return undefined;
    case 'proxy-authorization':
      fields.proxyAuthorization = value;
      return undefined;
    case 'cookie':
      return readCookies(fields, value);
    case 'content-type':
      if (!isContentType(value)) return refuse('content-type-malformed');
      break;
    case 'user-agent':
      fields.userAgent = value;
      break;
    case 'accept':
      fields.accept = value;
      break;
    case 'accept-language':
      fields.acceptLanguage = value;
      break;
  }
  fields.forwardable.push(name, value);
  return undefined;
}

/** Takes our own cookie out; what is the application's goes on as it came. */
function readCookies(fields: Fields, value: string): Refusal | undefined {
  if (!mayHoldSessionCookie(value)) {
    fields.forwardable.push('cookie', value);
    return undefined;
  }
  const { ours, theirs } = splitCookies(value);
  if (theirs !== '') fields.forwardable.push('cookie', theirs);
  for (const cookie of ours) {
    // Of two, somebody else may have set one.
    if (fields.sessionCookie !== undefined) return refuse('header-duplicate', 'cookie');
    fields.sessionCookie = cookie;
  }
  return undefined;
}

function dropNamed(forwardable: string[], named: ReadonlySet<string>): void {
  let kept = 0;
  for (let index = 0; index < forwardable.length; index += 2) {
    const name = forwardable[index] ?? '';
    if (named.has(name)) continue;
    forwardable[kept] = name;
    forwardable[kept + 1] = forwardable[index + 1] ?? '';
    kept += 2;
  }
  forwardable.length = kept;
}

type Target = Pick<RequestHead, 'authority' | 'host' | 'port' | 'scheme' | 'target' | 'path' | 'isAbsolute'>;

function readTarget(exchange: Exchange, fields: Fields): Target | Refusal {
  const { method, target: received } = exchange;
  let authority = exchange.authority ?? fields.host;
  let scheme = exchange.scheme;
  let target = received;
  let isAbsolute = exchange.httpVersion === '2.0';
  if (
    exchange.authority !== undefined &&
    fields.host !== undefined &&
    !isSame(exchange.authority, fields.host)
  )
    return refuse('authority-mismatch', 'Host is not :authority');
  if (method === 'CONNECT') {
    // The target is the authority (RFC 9110, section 9.3.6); a Host beside it must say the same.
    if (fields.host !== undefined && !isSameHost(fields.host, received))
      return refuse('authority-mismatch', 'Host is not the target of CONNECT');
    authority = received;
    target = '';
  } else if (received.charCodeAt(0) !== 0x2f) {
    const match = absoluteForm.exec(received);
    if (match === null || exchange.httpVersion === '2.0') return refuse('bad-request', 'request target');
    const [, writtenScheme = '', writtenAuthority = '', rest = ''] = match;
    // RFC 9112 lets a proxy overwrite Host; clients that mean well send the same.
    if (fields.host === undefined || !isSame(fields.host, writtenAuthority))
      return refuse('authority-mismatch', 'Host is not the authority of the target');
    authority = writtenAuthority;
    scheme = writtenScheme.toLowerCase() === 'http' ? 'http' : 'https';
    target = rest.startsWith('/') ? rest : `/${rest}`;
    isAbsolute = true;
  }
  if (authority === undefined) return refuse('bad-request', 'no Host');
  const parsed = parseAuthority(authority);
  if (parsed === undefined) return refuse('bad-request', 'authority');
  const query = target.indexOf('?');
  return {
    authority,
    host: parsed.host,
    port: parsed.port,
    scheme,
    target,
    path: query === -1 ? target : target.slice(0, query),
    isAbsolute,
  };
}

const isSame = (one: string, other: string): boolean =>
  one === other || one.toLowerCase() === other.toLowerCase();

const isSameHost = (one: string, other: string): boolean => {
  const [a, b] = [parseAuthority(one), parseAuthority(other)];
  return a !== undefined && b !== undefined && a.host === b.host && (a.port ?? b.port) === b.port;
};

function emptyHead({ authority, scheme, rawHeaders }: Exchange): RequestHead {
  const find = (wanted: string): string | undefined => valueOf(rawHeaders, wanted);
  return {
    authority: (authority ?? find('host') ?? '').slice(0, 300),
    host: '',
    port: undefined,
    scheme,
    target: '',
    path: '',
    isAbsolute: false,
    forwardable: [],
    contentLength: undefined,
    userAgent: find('user-agent'),
    accept: find('accept'),
    acceptLanguage: find('accept-language'),
    proxyAuthorization: undefined,
    sessionCookie: undefined,
    acceptsTrailers: false,
  };
}
