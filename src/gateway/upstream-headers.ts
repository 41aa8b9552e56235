import { randomBytes } from 'node:crypto';
import type { Exchange } from './exchange.ts';
import type { Flow } from './flow.ts';
import type { Gateway } from './gateway.ts';

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

/** Fields that are the same for all requests of one subject with one authority: made once a connection. */
interface Constant {
  readonly subject: Flow['subject'];
  readonly authority: string;
  readonly scheme: string;
  readonly fields: readonly string[];
}
const constants = new WeakMap<Exchange['connection'], Constant>();

/**
 * What an upstream is sent: first the fields of the client that may pass, from which everything hop by hop, everything
 * that its Connection named and every spelling of ours was taken before; then ours. Nothing is filtered after this.
 */
export function buildUpstreamHeaders(flow: Flow, gateway: Gateway): string[] {
  const { head, subject, app, exchange } = flow;
  if (head === undefined || subject === undefined || app === undefined)
    throw new TypeError('flow was not decided');
  const headers = head.forwardable;
  headers.push(...constantFields(flow, head.authority, head.scheme));
  if (head.acceptsTrailers) headers.push('te', 'trailers');
  // HTTP/2 has no such key (RFC 8441, section 5), and no use for the answer to it.
  if (exchange.httpVersion === '2.0' && exchange.upgrade === 'websocket')
    headers.push('sec-websocket-key', randomBytes(16).toString('base64'));
  headers.push(
    'via',
    exchange.httpVersion === '2.0' ? `2.0 ${hopName}` : `${exchange.httpVersion} ${hopName}`,
    'postern-flow-id',
    flow.id,
    'postern-assertion',
    gateway.assertions.assertionFor(subject, app, gateway.nowSeconds()),
  );
  return headers;
}

function constantFields({ exchange, subject }: Flow, authority: string, scheme: string): readonly string[] {
  const { connection } = exchange;
  const known = constants.get(connection);
  if (
    known !== undefined &&
    known.subject === subject &&
    known.authority === authority &&
    known.scheme === scheme
  )
    return known.fields;
  const { address } = connection.facts.source;
  const fields = [
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
    'postern-user',
    encodeFieldText(subject?.token.user ?? ''),
    'postern-device',
    encodeFieldText(subject?.certificate.device ?? ''),
  ];
  constants.set(connection, { subject, authority, scheme, fields });
  return fields;
}
