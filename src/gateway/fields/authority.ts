import { isNumericAddress } from '../../domain/numeric-address.ts';

export interface Authority {
  /** Lower-case ASCII name, or a numeric address without brackets. */
  readonly host: string;
  readonly port: number | undefined;
  readonly isAddress: boolean;
}

const shape = /^(\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9._-]{1,253})(?::([0-9]{1,5}))?$/;

/**
 * The one parser of `Host`, `:authority` and CONNECT targets (RFC 9110, section 7.2). No user part, no percent signs, no
 * trailing dot, nothing but ASCII: what a more forgiving parser would make into another host is undefined here.
 */
export function parseAuthority(text: string): Authority | undefined {
  const known = parsed.get(text);
  if (known !== undefined) return known;
  const authority = readAuthority(text);
  if (authority !== undefined && parsed.size < maxParsed) parsed.set(text, authority);
  return authority;
}

/** Most requests name one of a few; clients choose what they name, so there is a bound. */
const parsed = new Map<string, Authority>();
const maxParsed = 1024;

function readAuthority(text: string): Authority | undefined {
  const match = shape.exec(text);
  if (match === null) return undefined;
  const [, written = '', portText] = match;
  const port = portText === undefined ? undefined : Number(portText);
  if (port !== undefined && (port < 1 || port > 65_535 || portText?.startsWith('0') === true))
    return undefined;
  const isBracketed = written.startsWith('[');
  const host = (isBracketed ? written.slice(1, -1) : written).toLowerCase();
  const isAddress = isBracketed || isNumericAddress(host);
  if (isBracketed && !isNumericAddress(host)) return undefined;
  if (!isAddress && (host.startsWith('.') || host.endsWith('.') || host.includes('..'))) return undefined;
  return { host, port, isAddress };
}
