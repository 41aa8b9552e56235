import { isNumericAddress } from './numeric-address.ts';

/** Where an application lives inside its network. */
export interface UpstreamUrl {
  readonly scheme: 'http' | 'https' | 'tcp' | 'udp';
  /** Lower-case ASCII name or numeric address, without brackets. */
  readonly host: string;
  readonly isNumeric: boolean;
  readonly port: number;
}

const shape = /^(https?|tcp|udp):\/\/(\[[^\]]*\]|[^:/?#@[\]]*)(?::([0-9]*))?(.*)$/s;
const namePattern =
  /^(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?)*$/;

/**
 * Reads an upstream, or says in words why it is none. Not by WHATWG URL: that one takes `http://0x7f.1/..@host\x`
 * and quietly makes something else of it, and what is dialled must be what was reviewed.
 */
export function parseUpstreamUrl(text: string): UpstreamUrl | { readonly problem: string } {
  const match = shape.exec(text);
  if (match === null) return { problem: 'must be http://, https://, tcp:// or udp://, then host:port' };
  const [, scheme = '', authority = '', portText, rest = ''] = match;
  if (rest.includes('@') || text.includes('@')) return { problem: 'must not hold a user or password' };
  if (rest !== '') return { problem: 'must end after the port: no path, query or fragment' };
  const port = Number(portText);
  if (portText === undefined || !/^[1-9][0-9]{0,4}$/.test(portText) || port > 65_535)
    return { problem: 'needs a port from 1 to 65535' };
  const isBracketed = authority.startsWith('[');
  const host = isBracketed ? authority.slice(1, -1) : authority;
  const isNumeric = isNumericAddress(host);
  if (isBracketed ? !isNumeric || !host.includes(':') : !isNumeric && !isHostName(host))
    return {
      problem: `must name a host: ${JSON.stringify(host)} is neither a lower-case name nor an address`,
    };
  return { scheme: scheme as UpstreamUrl['scheme'], host: host.toLowerCase(), isNumeric, port };
}

/**
 * A name that every resolver reads as a name. One whose last label is a number (`10.0.0.256`, `0x7f.1`, `127.1`) is an
 * IPv4 address to some parsers and a name to others.
 */
export function isHostName(text: string): boolean {
  return namePattern.test(text) && !/(^|\.)([0-9]+|0x[0-9a-f]*)$/.test(text);
}
