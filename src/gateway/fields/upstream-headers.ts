import { randomBytes } from 'node:crypto';
import { isMachineName } from '../../domain/subject.ts';
import type { Subject } from '../../domain/subject.ts';
import type { Exchange } from '../exchange.ts';
import type { Flow } from '../flow.ts';
import type { Gateway } from '../gateway.ts';
import type { RequestHead } from './request-head.ts';
import { formatFields } from '../upstream/request-text.ts';
import type { UpstreamRequest } from '../upstream/upstream-answer.ts';

const hopName = 'postern';

/** Text that HTTP carries unharmed: whatever is not visible ASCII is percent-encoded, and so is the percent sign. */
export const encodeFieldText = (text: string): string =>
  /^[!-$&-~]*$/.test(text)
    ? text
    : [...Buffer.from(text)]
        .map((octet) =>
          octet > 0x20 && octet < 0x7f && octet !== 0x25
            ? String.fromCharCode(octet)
            : `%${octet.toString(16).toUpperCase().padStart(2, '0')}`,
        )
        .join('');

/** RFC 7239, section 6: IPv6 addresses in brackets and quotes. */
const forwardedFor = (address: string): string => (address.includes(':') ? `"[${address}]"` : address);

/** What an upstream is sent of fields: first those of the client that may pass, then ours. */
type UpstreamHeaders = Pick<UpstreamRequest, 'headers' | 'fixedHeaders'>;

/**
 * Fields that are the same for all requests of one subject with one authority, while one assertion lives: made once a
 * connection, and looked through once for what a field may not hold. The assertion is longer than all the others.
 */
interface Constant {
  readonly subject: Subject;
  readonly authority: string;
  readonly scheme: string;
  readonly httpVersion: Exchange['httpVersion'];
  readonly assertion: string;
  readonly text: string;
}
const constants = new WeakMap<Exchange['connection'], Constant>();

/**
 * From the fields of the client everything hop by hop, everything that its Connection named and every spelling of ours
 * was taken before. Nothing is filtered after this.
 */
export function buildUpstreamHeaders(flow: Flow, gateway: Gateway): UpstreamHeaders {
  const { head, subject, app, exchange } = flow;
  if (head === undefined || subject === undefined || app === undefined)
    throw new TypeError('flow was not decided');
  const headers = head.forwardable;
  if (head.acceptsTrailers) headers.push('te', 'trailers');
  // HTTP/2 has no such key (RFC 8441, section 5), and no use for the answer to it.
  if (exchange.httpVersion === '2.0' && exchange.upgrade === 'websocket')
    headers.push('sec-websocket-key', randomBytes(16).toString('base64'));
  headers.push('postern-flow-id', flow.id);
  const assertion = gateway.assertions.assertionFor(subject, app, gateway.nowSeconds());
  return { headers, fixedHeaders: constantText(exchange, head, subject, assertion) };
}

function constantText(
  { connection, httpVersion }: Exchange,
  { authority, scheme }: RequestHead,
  subject: Subject,
  assertion: string,
): string {
  const known = constants.get(connection);
  if (
    known !== undefined &&
    known.subject === subject &&
    known.assertion === assertion &&
    known.authority === authority &&
    known.scheme === scheme &&
    known.httpVersion === httpVersion
  )
    return known.text;
  const { address } = connection.facts.source;
  const { user } = subject.token;
  const text = formatFields([
    'host',
    authority,
    'x-forwarded-for',
    address,
    'x-forwarded-host',
    authority,
    'x-forwarded-proto',
    scheme,
    'forwarded',
    `for=${forwardedFor(address)};host="${authority}";proto=${scheme}`,
    // A machine has no user: the field is then not there, whatever the client sent.
    ...(user === '' || isMachineName(user) ? [] : ['postern-user', encodeFieldText(user)]),
    'postern-device',
    encodeFieldText(subject.certificate.device),
    'via',
    `${httpVersion} ${hopName}`,
    'postern-assertion',
    assertion,
  ]);
  constants.set(connection, { subject, authority, scheme, httpVersion, assertion, text });
  return text;
}
