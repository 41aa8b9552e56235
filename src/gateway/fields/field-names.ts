/** What becomes of a header field that a client or an upstream sent. */
export type FieldRole =
  /** End to end: forwarded as it is. */
  | 'forward'
  /** Between two neighbors (RFC 9110, section 7.6.1), or ours to write: never forwarded. */
  | 'drop'
  /** Not a name that all parsers agree on. */
  | 'refuse'
  /** Read by the gateway; see the name. */
  | 'read';

export interface FieldName {
  /** Lower-case. */
  readonly name: string;
  readonly role: FieldRole;
}

const hopByHop = new Set([
  'keep-alive',
  'proxy-connection',
  'proxy-authenticate',
  'proxy-authentication-info',
  'proxy-status',
  'upgrade',
  'http2-settings',
  'trailer',
  'expect',
]);
const readByUs = new Set([
  'host',
  'connection',
  'te',
  'content-length',
  'transfer-encoding',
  'content-type',
  'user-agent',
  'accept',
  'accept-language',
  'cookie',
  'authorization',
  'proxy-authorization',
]);
/** Names that say who asks and from where: only the gateway may write them, in any spelling. */
const reserved =
  /^(?:x[-_]forwarded(?:[-_].*)?|forwarded|x[-_]real[-_]ip|postern(?:[-_].*)?|proxy(?:[-_].*)?)$/;
const token = /^[!#$%&'*+.^`|~0-9A-Za-z-]+$/;

const known = new Map<string, FieldName>();
/** Clients choose names: what is remembered of them must have a bound. */
const maxKnown = 2048;

function classify(raw: string): FieldName {
  const name = raw.toLowerCase();
  // `X_Forwarded_User` becomes `X-Forwarded-User` in CGI-like servers: a name with `_` has two readings.
  if (!token.test(raw)) return { name, role: 'refuse' };
  if (readByUs.has(name)) return { name, role: 'read' };
  return { name, role: hopByHop.has(name) || reserved.test(name) ? 'drop' : 'forward' };
}

/** The role of a field name as received. Names are looked at once and remembered. */
export function fieldNameOf(raw: string): FieldName {
  let field = known.get(raw);
  if (field === undefined) {
    field = classify(raw);
    if (known.size < maxKnown && raw.length <= 64) known.set(raw, field);
  }
  return field;
}

/** Options of a Connection header: each names a field that goes no further. */
export function addConnectionOptions(value: string, into: Set<string>): void {
  for (const option of value.split(',')) {
    const name = option.trim().toLowerCase();
    if (name !== '' && name !== 'close' && name !== 'keep-alive') into.add(name);
  }
}
