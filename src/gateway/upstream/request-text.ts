import type { UpstreamRequest } from './upstream-answer.ts';

/** Everything but what would end a line, or be one octet here and another on the wire. */
const fieldValue = /^[\t\x20-\x7e\x80-\xff]*$/;
const startLinePart = /^[\x21-\x7e\x80-\xff]+$/;

/**
 * Fields as they go on the wire. @throws TypeError for a value that is no text of one line: what a client sent was parsed
 * before, and what we add is ours, but a line break that slipped through would be a request of its own.
 */
export function formatFields(fields: readonly string[]): string {
  let text = '';
  for (let index = 0; index + 1 < fields.length; index += 2) {
    const value = fields[index + 1] ?? '';
    if (!fieldValue.test(value)) throw new TypeError(`value of ${fields[index]}`);
    text += `${fields[index]}: ${value}\r\n`;
  }
  return text;
}

/** The header section of a request, to be written as Latin-1. @throws TypeError */
export function formatRequest(
  { method, target, headers, fixedHeaders, body, contentLength, upgrade }: UpstreamRequest,
  isLast: boolean,
): string {
  if (!startLinePart.test(method) || !startLinePart.test(target)) throw new TypeError('request line');
  let text = `${method} ${target} HTTP/1.1\r\n${formatFields(headers)}${fixedHeaders}`;
  if (upgrade !== undefined) text += formatFields(['connection', 'upgrade', 'upgrade', upgrade]);
  else if (isLast) text += 'connection: close\r\n';
  if (contentLength !== undefined) text += `content-length: ${contentLength}\r\n`;
  else if (body !== undefined) text += 'transfer-encoding: chunked\r\n';
  return `${text}\r\n`;
}

/** The last chunk and the trailer section of a chunked body. @throws TypeError */
export const formatTrailers = (trailers: readonly string[]): string => `0\r\n${formatFields(trailers)}\r\n`;
