import { parseHostPort } from '../session/host-port.ts';

export interface AbsoluteTarget {
  readonly host: string;
  readonly port: number;
  /** As written, for `:authority`. */
  readonly authority: string;
  /** Path and query, byte for byte as the client wrote them. */
  readonly path: string;
}

const shape = /^http:\/\/([A-Za-z0-9_.-]+(?::[0-9]{1,5})?)((?:[/?][^#]*)?)$/i;

/**
 * Reads an absolute-form target (RFC 9112, section 3.2.2) without a URL parser: one that resolved dots or decoded
 * percent signs would decide about another path than is forwarded. No user, no fragment. Undefined for anything else.
 */
export function parseAbsoluteTarget(target: string): AbsoluteTarget | undefined {
  const match = shape.exec(target);
  if (match === null) return undefined;
  const [, authority = '', rest = ''] = match;
  const parsed = parseHostPort(authority.includes(':') ? authority : `${authority}:80`);
  if (parsed === undefined) return undefined;
  const path = rest.startsWith('/') ? rest : `/${rest}`;
  return { ...parsed, authority: authority.toLowerCase(), path };
}

/** Whether a Host field says the same as the target; the port of plain HTTP may be left out on either side. */
export function hostAgrees(host: string | undefined, target: AbsoluteTarget): boolean {
  if (host === undefined) return true;
  const parsed = parseHostPort(host.includes(':') ? host : `${host}:80`);
  return parsed?.host === target.host && parsed.port === target.port;
}
