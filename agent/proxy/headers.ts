import type { OutgoingHttpHeaders } from 'node:http2';

/** Hop by hop (RFC 9110, section 7.6.1), and what HTTP/2 has no use for (RFC 9113, section 8.2.2). */
const hopByHop: ReadonlySet<string> = new Set([
  'connection',
  'proxy-connection',
  'keep-alive',
  'te',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
  // A program on the laptop has no say in which token is shown to the gateway.
  'proxy-authorization',
  'proxy-authenticate',
  'proxy-authentication-info',
]);

/** Name and value of each field line, names in lower case. */
export function* fieldLines(
  rawHeaders: readonly string[],
): Generator<readonly [name: string, value: string]> {
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    yield [(rawHeaders[index] ?? '').toLowerCase(), rawHeaders[index + 1] ?? ''];
  }
}

function namedByConnection(rawHeaders: readonly string[]): Set<string> {
  const names = new Set<string>();
  for (const [name, value] of fieldLines(rawHeaders)) {
    if (name !== 'connection') continue;
    for (const option of value.split(',')) names.add(option.trim().toLowerCase());
  }
  return names;
}

/** The fields of an HTTP/1.1 request that go on, as HTTP/2 has them; `host` is the caller's, as `:authority`. */
export function requestHeaders(rawHeaders: readonly string[]): OutgoingHttpHeaders {
  const named = namedByConnection(rawHeaders);
  const headers: Record<string, string | string[]> = {};
  for (const [name, value] of fieldLines(rawHeaders)) {
    if (name === 'host' || named.has(name)) continue;
    // TE may say one thing in HTTP/2.
    if (name === 'te' && /(^|,)\s*trailers\s*(,|$)/i.test(value)) headers['te'] = 'trailers';
    if (hopByHop.has(name)) continue;
    const before = headers[name];
    if (before === undefined) headers[name] = value;
    else if (Array.isArray(before)) before.push(value);
    else headers[name] = [before, value];
  }
  return headers;
}

/** The fields of an HTTP/2 answer that go back, as one flat list that keeps repeated ones apart and in order. */
export function responseHeaders(rawHeaders: readonly string[]): string[] {
  const headers: string[] = [];
  for (const [name, value] of fieldLines(rawHeaders)) {
    if (!name.startsWith(':') && !hopByHop.has(name)) headers.push(name, value);
  }
  return headers;
}

/** Trailer fields, without any that would change how the message is framed or whom it is for. */
export function trailerFields(rawTrailers: readonly string[]): Record<string, string> {
  const trailers: Record<string, string> = {};
  for (const [name, value] of fieldLines(rawTrailers)) {
    const isForbidden = name.startsWith(':') || hopByHop.has(name) || framing.has(name);
    if (!isForbidden) trailers[name] = value;
  }
  return trailers;
}

const framing: ReadonlySet<string> = new Set([
  'content-length',
  'host',
  'trailer',
  'content-encoding',
  'content-type',
]);
