import type { HostPort } from '../../session/host-port.ts';

/** First byte of every SOCKS5 connection, which begins no HTTP request. */
export const socks5Version = 0x05;

/** What has arrived so far is a whole message, the beginning of one, or none. `length` is how much of it was read. */
export type Parsed<T> = (T & { readonly length: number }) | 'incomplete' | 'malformed';

export interface Greeting {
  readonly methods: readonly number[];
}

/** RFC 1928, section 3: version, number of methods, methods. */
export function parseGreeting(bytes: Buffer): Parsed<Greeting> {
  const [version, count] = bytes;
  if (version !== undefined && version !== socks5Version) return 'malformed';
  if (count === undefined) return 'incomplete';
  if (count === 0) return 'malformed';
  if (bytes.length < 2 + count) return 'incomplete';
  return { methods: [...bytes.subarray(2, 2 + count)], length: 2 + count };
}

export interface SocksRequest {
  readonly command: number;
  /** Undefined where the type of address is none that we know. */
  readonly target: HostPort | undefined;
}

const nameShape = /^[A-Za-z0-9_.-]{1,253}$/;

/** RFC 1928, section 4. */
export const command = { connect: 0x01, bind: 0x02, udpAssociate: 0x03 } as const;

/**
 * RFC 1928, section 4: version, command, reserved, type of address, address, port. A name that is no plain ASCII host
 * name is malformed, and so is port 0 but where a client does not know yet from which it will send: nothing on the way may
 * read them as something else.
 */
export function parseSocksRequest(bytes: Buffer): Parsed<SocksRequest> {
  const [version, asked, reserved, type] = bytes;
  if ((version ?? socks5Version) !== socks5Version || (reserved ?? 0) !== 0) return 'malformed';
  if (asked === undefined || type === undefined) return 'incomplete';
  if (!(type in addressTypes)) return { command: asked, target: undefined, length: bytes.length };
  const place = parsePlace(bytes);
  if (typeof place === 'string') return place;
  const { length, ...target } = place;
  if (target.port === 0 && asked !== command.udpAssociate) return 'malformed';
  return { command: asked, target, length };
}

/** Type of address, address and port, as they stand behind the first three bytes of requests and datagrams alike. */
function parsePlace(bytes: Buffer): Parsed<HostPort> {
  const [, , , type = 0, first] = bytes;
  if (first === undefined) return 'incomplete';
  if (!(type in addressTypes)) return 'malformed';
  const { start, size, read } = addressTypes[type as keyof typeof addressTypes](first);
  const length = start + size + 2;
  if (bytes.length < length) return 'incomplete';
  const host = read(bytes.subarray(start, start + size));
  return host === undefined ? 'malformed' : { host, port: bytes.readUInt16BE(length - 2), length };
}

export interface SocksDatagram {
  readonly target: HostPort;
  /** All before the payload, as the answers to it begin, too. */
  readonly header: Buffer;
  readonly payload: Buffer;
}

/** RFC 1928, section 7. Undefined for what is no such datagram, or a fragment of one: those may be dropped, and are. */
export function parseSocksDatagram(datagram: Buffer): SocksDatagram | undefined {
  const [reserved, alsoReserved, fragment] = datagram;
  if (reserved !== 0 || alsoReserved !== 0 || fragment !== 0) return undefined;
  const place = parsePlace(datagram);
  if (typeof place === 'string' || place.port === 0) return undefined;
  const { host, port, length } = place;
  return {
    target: { host, port },
    header: datagram.subarray(0, length),
    payload: datagram.subarray(length),
  };
}

interface AddressField {
  readonly start: number;
  readonly size: number;
  readonly read: (bytes: Buffer) => string | undefined;
}

const readName = (bytes: Buffer): string | undefined => {
  const name = bytes.toString('latin1');
  return nameShape.test(name) ? name.toLowerCase() : undefined;
};
const readV6 = (bytes: Buffer): string =>
  (bytes.toString('hex').match(/.{4}/g) ?? []).map((group) => group.replace(/^0{1,3}/, '')).join(':');

const addressTypes = {
  0x01: (): AddressField => ({ start: 4, size: 4, read: (bytes) => bytes.join('.') }),
  0x03: (size: number): AddressField => ({ start: 5, size, read: readName }),
  0x04: (): AddressField => ({ start: 4, size: 16, read: readV6 }),
} as const;

/** The answer to a greeting: no authentication, or none that we take. */
export const methodAnswer = (accepted: boolean): Buffer =>
  Buffer.from([socks5Version, accepted ? noAuthentication : 0xff]);

/** Whoever can open the port is a program of this laptop; a password would keep nobody out. */
export const noAuthentication = 0x00;

/** The answer to a request. The address that a connection was bound to says nothing to anyone, and is all zeros. */
export const replyOf = (reply: number): Buffer =>
  Buffer.from([socks5Version, reply, 0x00, 0x01, 0, 0, 0, 0, 0, 0]);

/** The answer to an association: where datagrams are to be sent, on 127.0.0.1. */
export const replyOfAssociation = (port: number): Buffer =>
  Buffer.from([socks5Version, 0x00, 0x00, 0x01, 127, 0, 0, 1, port >> 8, port & 0xff]);
