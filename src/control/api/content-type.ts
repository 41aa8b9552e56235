import type { IncomingMessage } from 'node:http';
import { refuse } from '../../contract/refusals.ts';
import type { Refusal } from '../../contract/refusals.ts';

/** What a route takes: JSON, but for those whose form some standard prescribes. */
const mediaTypes = {
  json: {
    name: 'application/json',
    shape: /^application\/json(?:[ \t]*;[ \t]*charset=(?:utf-8|"utf-8"))?$/i,
  },
  form: {
    name: 'application/x-www-form-urlencoded',
    shape: /^application\/x-www-form-urlencoded(?:[ \t]*;[ \t]*charset=(?:utf-8|"utf-8"))?$/i,
  },
  // RFC 8894, section 4.1, shows none; some systems say that it is octets.
  pki: {
    name: 'application/x-pki-message',
    shape: /^application\/(?:x-pki-message|octet-stream)$/i,
    isOptional: true,
  },
} as const;
export type MediaType = keyof typeof mediaTypes;

/**
 * Refuses a body that is not plainly of the route's one media type. A framework that parses `application/json\t; a` in one place and looks its
 * schema up by the raw text in another lets a body past its schema (CVE-2026-33806); one spelling leaves no gap.
 */
export function checkContentType(
  message: IncomingMessage,
  mediaType: MediaType = 'json',
): Refusal | undefined {
  const given = message.rawHeaders.filter(
    (_, index, all) => index % 2 === 1 && all[index - 1]?.toLowerCase() === 'content-type',
  );
  const [value] = given;
  const type = mediaTypes[mediaType];
  const isOptional = 'isOptional' in type;
  const hasBody =
    message.headers['transfer-encoding'] !== undefined || (message.headers['content-length'] ?? '0') !== '0';
  if (value === undefined)
    return hasBody && !isOptional
      ? refuse('content-type-malformed', 'a body without Content-Type')
      : undefined;
  if (given.length > 1) return refuse('content-type-malformed', 'Content-Type given twice');
  const { shape, name } = type;
  return shape.test(value) ? undefined : refuse('content-type-malformed', `send ${name}`);
}
