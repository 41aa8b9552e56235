/**
 * What a TLS client says of itself before anything is encrypted (RFC 8446, section 4.1.2, and RFC 5246, section 7.4.1.2):
 * in the order in which it was sent, with the values that only test whether servers ignore them (GREASE, RFC 8701).
 */
export interface ClientHello {
  readonly legacyVersion: number;
  readonly cipherSuites: readonly number[];
  /** Types of all extensions. */
  readonly extensions: readonly number[];
  /** In lower case. */
  readonly serverName?: string;
  /** One character an octet. */
  readonly applicationProtocols: readonly string[];
  readonly supportedVersions: readonly number[];
  readonly supportedGroups: readonly number[];
  readonly signatureAlgorithms: readonly number[];
  /** An encrypted one may be within (RFC 9849), or only what looks like it, as browsers send it to every server. */
  readonly hasEncryptedClientHello: boolean;
}

/** A ClientHello, or in a few constant words why it is none. */
export type ClientHelloReading =
  | { readonly hello: ClientHello; readonly problem?: never }
  | { readonly problem: string; readonly hello?: never };

/** With post-quantum shares and session tickets some 2 KiB; OpenSSL takes up to 128. */
export const maxClientHelloBytes = 32 * 1024;

const handshakeRecord = 22;
const clientHelloType = 1;
const recordHeadBytes = 5;
const messageHeadBytes = 4;
/** RFC 8446, section 5.1. */
const maxRecordBytes = 16_384;

export interface ClientHelloReader {
  /**
   * Takes the bytes of a connection as they come, in whatever pieces, up to the end of its first message. What comes behind
   * that in the same piece is not looked at.
   * @returns undefined while there is more to come. Not to be asked again once it has answered.
   */
  read(bytes: Uint8Array): ClientHelloReading | undefined;
}

/** Reads a ClientHello out of the records that carry it. Never keeps more than `maxClientHelloBytes` of it. */
export function createClientHelloReader(): ClientHelloReader {
  const head = new Uint8Array(recordHeadBytes);
  let headLength = 0;
  let left = 0;
  let message = new Uint8Array(1024);
  let length = 0;
  let expected: number | undefined;

  const add = (part: Uint8Array): void => {
    if (length + part.length > message.length) {
      const larger = new Uint8Array(
        Math.min(maxClientHelloBytes, Math.max(message.length * 2, length + part.length)),
      );
      larger.set(message.subarray(0, length));
      message = larger;
    }
    message.set(part, length);
    length += part.length;
  };
  /** @returns why there is no record here. */
  const checkHead = (): string | undefined => {
    const [type, major] = head;
    if (type !== handshakeRecord || (headLength > 1 && major !== 3)) return 'no TLS handshake';
    if (headLength < recordHeadBytes) return undefined;
    left = (head[3] ?? 0) * 256 + (head[4] ?? 0);
    return left === 0 || left > maxRecordBytes ? 'a TLS record of impossible length' : undefined;
  };
  const checkMessage = (): string | undefined => {
    if (message[0] !== clientHelloType) return 'no ClientHello';
    if (length < messageHeadBytes) return undefined;
    expected = messageHeadBytes + (message[1] ?? 0) * 65_536 + (message[2] ?? 0) * 256 + (message[3] ?? 0);
    if (expected > maxClientHelloBytes) return 'a ClientHello that is too long';
    // Nothing may follow it before the server has spoken, unless in a record of its own.
    return length + left > expected ? 'something else behind the ClientHello' : undefined;
  };

  return {
    read(bytes) {
      let at = 0;
      while (at < bytes.length) {
        if (left === 0) {
          head[headLength] = bytes[at] ?? 0;
          headLength += 1;
          at += 1;
          const problem = checkHead();
          if (problem !== undefined) return { problem };
          continue;
        }
        // Head first: it says how much there may be.
        const wanted = length < messageHeadBytes ? messageHeadBytes - length : left;
        const part = bytes.subarray(at, at + Math.min(left, wanted));
        at += part.length;
        left -= part.length;
        if (left === 0) headLength = 0;
        add(part);
        if (length <= messageHeadBytes || expected === undefined || length + left > expected) {
          const problem = checkMessage();
          if (problem !== undefined) return { problem };
        }
        if (length === expected) return parseClientHello(message.subarray(messageHeadBytes, length));
      }
      return undefined;
    },
  };
}

const extensionTypes = {
  serverName: 0,
  supportedGroups: 10,
  signatureAlgorithms: 13,
  applicationProtocols: 16,
  preSharedKey: 41,
  supportedVersions: 43,
  encryptedClientHello: 0xfe0d,
} as const;

/** The body of a ClientHello, without the head of the message. Whatever two servers could read in two ways is none. */
export function parseClientHello(body: Uint8Array): ClientHelloReading {
  try {
    return { hello: parse(body) };
  } catch (error) {
    if (error instanceof Malformed) return { problem: error.message };
    throw error;
  }
}

class Malformed extends Error {}

function parse(body: Uint8Array): ClientHello {
  const input = new Cursor(body);
  const legacyVersion = input.number(2);
  if (legacyVersion >> 8 !== 3) throw new Malformed('a ClientHello of an unknown version');
  input.bytes(32);
  if (input.vector(1).length > 32) throw new Malformed('a ClientHello with too long a session');
  const cipherSuites = numbers(input.vector(2), 2);
  if (input.vector(1).length === 0) throw new Malformed('a ClientHello without compression methods');
  const types = new Set<number>();
  const hello: { -readonly [Key in keyof ClientHello]: ClientHello[Key] } = {
    legacyVersion,
    cipherSuites,
    extensions: [],
    applicationProtocols: [],
    supportedVersions: [],
    supportedGroups: [],
    signatureAlgorithms: [],
    hasEncryptedClientHello: false,
  };
  // Before TLS 1.3 there need not be any extensions.
  const extensions = new Cursor(input.isAtEnd ? new Uint8Array() : input.vector(2));
  if (!input.isAtEnd) throw new Malformed('a ClientHello with something behind its end');
  while (!extensions.isAtEnd) {
    const type = extensions.number(2);
    const content = extensions.vector(2);
    if (types.has(type)) throw new Malformed('a ClientHello with an extension twice');
    types.add(type);
    switch (type) {
      case extensionTypes.serverName:
        hello.serverName = parseServerName(content);
        break;
      case extensionTypes.applicationProtocols:
        hello.applicationProtocols = parseProtocols(content);
        break;
      case extensionTypes.supportedVersions:
        hello.supportedVersions = numbers(whole(content, 1), 2);
        break;
      case extensionTypes.supportedGroups:
        hello.supportedGroups = numbers(whole(content, 2), 2);
        break;
      case extensionTypes.signatureAlgorithms:
        hello.signatureAlgorithms = numbers(whole(content, 2), 2);
        break;
      case extensionTypes.encryptedClientHello:
        hello.hasEncryptedClientHello = true;
        break;
      case extensionTypes.preSharedKey:
        // It proves all that stands before it.
        if (!extensions.isAtEnd) throw new Malformed('a ClientHello whose pre-shared key is not last');
        break;
    }
  }
  return { ...hello, extensions: [...types] };
}

/** RFC 6066, section 3: a list, of which every server reads one name; more could be read in two ways. */
function parseServerName(content: Uint8Array): string {
  const list = new Cursor(whole(content, 2));
  const type = list.number(1);
  const name = textOf(list.vector(2));
  if (type !== 0 || !list.isAtEnd || !/^[A-Za-z0-9._-]{1,255}$/.test(name))
    throw new Malformed('a ClientHello with a malformed server name');
  return name.toLowerCase();
}

/** RFC 7301, section 3.1. */
function parseProtocols(content: Uint8Array): string[] {
  const list = new Cursor(whole(content, 2));
  const protocols: string[] = [];
  while (!list.isAtEnd) {
    const protocol = list.vector(1);
    if (protocol.length === 0) throw new Malformed('a ClientHello with an empty protocol name');
    protocols.push(textOf(protocol));
  }
  return protocols;
}

/** One character an octet. */
const textOf = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');

/** What is in a vector that fills all there is. */
function whole(bytes: Uint8Array, lengthBytes: 1 | 2): Uint8Array {
  const input = new Cursor(bytes);
  const content = input.vector(lengthBytes);
  if (!input.isAtEnd) throw new Malformed('a ClientHello with a malformed extension');
  return content;
}

function numbers(bytes: Uint8Array, size: 2): number[] {
  if (bytes.length === 0 || bytes.length % size !== 0)
    throw new Malformed('a ClientHello with a malformed list');
  const input = new Cursor(bytes);
  const found: number[] = [];
  while (!input.isAtEnd) found.push(input.number(size));
  return found;
}

class Cursor {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get isAtEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  bytes(length: number): Uint8Array {
    const end = this.#at + length;
    if (end > this.#bytes.length) throw new Malformed('a ClientHello that is cut off');
    const found = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return found;
  }

  number(length: 1 | 2): number {
    const [first = 0, second = 0] = this.bytes(length);
    return length === 1 ? first : first * 256 + second;
  }

  /** What stands behind its own length. */
  vector(lengthBytes: 1 | 2): Uint8Array {
    return this.bytes(this.number(lengthBytes));
  }
}
