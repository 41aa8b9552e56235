import { createClientHelloReader } from './client-hello.ts';
import type { ClientHello } from './client-hello.ts';
import { createPrefix } from '../prefix.ts';
import { unexpected } from './recognizer.ts';
import type { Reading, Recognizer, Unexpected } from './recognizer.ts';

/**
 * TLS: a ClientHello for one of these names, and a ServerHello or an alert. A client that names nobody is not for them. One
 * whose own ClientHello is encrypted in the one that can be seen (RFC 9849) is taken by what can be seen: nobody but a
 * server that answers to this name could read the other.
 */
export function createTlsRecognizer(serverNames: ReadonlySet<string>): Recognizer {
  return {
    client: createHelloRecognizer(({ serverName }) => {
      if (serverName === undefined) return unexpected('a TLS handshake without a server name');
      return serverNames.has(serverName)
        ? undefined
        : unexpected('a TLS handshake for another server name', serverName);
    }),
    upstream: createServerHelloRecognizer(),
  };
}

/** The client's side of TLS. @param check what is wrong with a ClientHello. */
export function createHelloRecognizer(
  check: (hello: ClientHello) => Unexpected | undefined,
): (bytes: Uint8Array) => Reading {
  const reader = createClientHelloReader();
  return (bytes) => {
    const reading = reader.read(bytes);
    if (reading === undefined) return 'more';
    return reading.hello === undefined ? unexpected(reading.problem) : (check(reading.hello) ?? 'yes');
  };
}

const alert = 21;
const handshake = 22;
const serverHello = 2;

/** The server's side of TLS (RFC 8446, section 5.1): a record with a ServerHello, or one with an alert. */
export function createServerHelloRecognizer(): (bytes: Uint8Array) => Reading {
  const add = createPrefix(6);
  return (bytes) => {
    const [type, major, , ...rest] = add(bytes);
    const isTls = (type === handshake || type === alert) && (major === undefined || major === 3);
    if (!isTls) return unexpected('no TLS handshake');
    const [high = 0, low = 0, message] = rest;
    if (message === undefined) return 'more';
    const length = high * 256 + low;
    if (type === alert) return length === 2 ? 'yes' : unexpected('no TLS handshake');
    return message === serverHello && length > 0 ? 'yes' : unexpected('no ServerHello');
  };
}
