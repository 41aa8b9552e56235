import { refuse } from '../contract/refusals.ts';
import type { Refusal } from '../contract/refusals.ts';
import type { Exchange } from './exchange.ts';
import { readHeaders } from './headers.ts';

const methodPattern = /^[A-Z][A-Z-]{0,23}$/;
/** Printable ASCII without space, `"`, `#`, `<`, `>`, `\`, `^`, `` ` ``, `{`, `|`, `}`: RFC 3986 plus `[` and `]`, which browsers send. */
const targetPattern = /^\/[!$-;=?-[\]_a-z|~{}]*$/;
/** `.` and `..` as segments, in any spelling: what stands for a path may not depend on who resolves it. */
const dotSegment = /\/(?:\.|%2e){1,2}(?:\/|$)/i;
const hiddenSeparator = /%(?:00|5c)/i;
const authorityPattern = /^[a-z0-9](?:[a-z0-9.-]{0,252}[a-z0-9])?(?::[0-9]{1,5})?$/;
const maxTargetBytes = 16_384;

/** First step: the request as one reading, or a refusal where there are two. Fills headers, authority and target. */
export function readRequest(exchange: Exchange): Refusal | undefined {
  const { request, method } = exchange;
  if (!methodPattern.test(method)) return refuse('bad-request', 'method');
  const headers = readHeaders(request.rawHeaders);
  if ('code' in headers) return headers;
  exchange.headers = headers;

  let target = request.url ?? '';
  let authority = headers.host?.toLowerCase();
  if (exchange.httpVersion === '2.0') {
    const pseudo =
      'authority' in request && typeof request.authority === 'string'
        ? request.authority.toLowerCase()
        : undefined;
    if (pseudo !== undefined && pseudo !== '' && authority !== undefined && authority !== pseudo)
      return refuse('authority-mismatch', 'host is not :authority');
    authority = pseudo ?? authority;
  } else if (!target.startsWith('/')) {
    const absolute = /^(https?):\/\/([^/?#]+)(.*)$/i.exec(target);
    if (absolute === null) return refuse('path-ambiguous', 'neither a path nor an absolute URI');
    const [, , named = '', rest = ''] = absolute;
    if (named.toLowerCase() !== authority)
      return refuse('authority-mismatch', 'the URI names another host than Host');
    target = rest.startsWith('/') ? rest : `/${rest}`;
  }
  if (authority === undefined || authority === '') return refuse('bad-request', 'no host');
  exchange.authority = authority;
  if (target.length > maxTargetBytes) return refuse('uri-too-long');
  if (!targetPattern.test(target) || dotSegment.test(pathPart(target)) || hiddenSeparator.test(target))
    return refuse('path-ambiguous');
  exchange.target = target;
  if (method === 'TRACE' || method === 'TRACK') return refuse('method-not-allowed');
  if (!authorityPattern.test(authority)) return refuse('application-unknown', 'not a host name');
  return undefined;
}

const pathPart = (target: string): string => {
  const query = target.indexOf('?');
  return query === -1 ? target : target.slice(0, query);
};
