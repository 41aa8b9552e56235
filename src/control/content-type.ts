import type { IncomingMessage } from 'node:http';
import { refuse } from '../contract/refusals.ts';
import type { Refusal } from '../contract/refusals.ts';

const onlyJson = /^application\/json(?:[ \t]*;[ \t]*charset=(?:utf-8|"utf-8"))?$/i;

/**
 * Refuses a body that is not plainly JSON. A framework that parses `application/json\t; a` in one place and looks its
 * schema up by the raw text in another lets a body past its schema (CVE-2026-33806); one spelling leaves no gap.
 */
export function checkContentType(message: IncomingMessage): Refusal | undefined {
  const given = message.rawHeaders.filter(
    (_, index, all) => index % 2 === 1 && all[index - 1]?.toLowerCase() === 'content-type',
  );
  const [value] = given;
  const hasBody =
    message.headers['transfer-encoding'] !== undefined || (message.headers['content-length'] ?? '0') !== '0';
  if (value === undefined)
    return hasBody ? refuse('content-type-malformed', 'a body without Content-Type') : undefined;
  if (given.length > 1) return refuse('content-type-malformed', 'Content-Type given twice');
  return onlyJson.test(value) ? undefined : refuse('content-type-malformed', 'send application/json');
}
