import { createGssRecognizer } from './gss.ts';
import { createPrefix } from '../prefix.ts';
import { unexpected } from './recognizer.ts';
import type { Reading, Recognizer } from './recognizer.ts';
import { createHelloRecognizer, createServerHelloRecognizer } from './tls.ts';

/** What a client may begin with (PostgreSQL, chapter 54.7, message formats): codes that no version can have. */
const cancelRequest = 80_877_102;
const sslRequest = 80_877_103;
const gssRequest = 80_877_104;
const maxStartupBytes = 10_000;
const maxCancelBytes = 12 + 256;
/** A client that is refused encryption by GSS asks for TLS, and then for none. */
const maxRequests = 2;
const handshakeRecord = 22;

type Read = (bytes: Uint8Array) => Reading;

/**
 * PostgreSQL 3: a start message, which a request for encryption may precede, or a TLS handshake that is meant for
 * PostgreSQL (ALPN `postgresql`), or a request to cancel; and how a server answers these. Neither side may speak on before
 * a request for encryption is answered: what somebody on the way slipped in would be taken for encrypted.
 */
export function createPostgresRecognizer(): Recognizer {
  let requests = 0;
  let asked: 'ssl' | 'gss' | undefined;
  let client: Read = readStart();
  let upstream: Read = readServer(false);

  const ask = (what: 'ssl' | 'gss'): Reading => {
    requests += 1;
    if (requests > maxRequests) return unexpected('too many requests for encryption');
    asked = what;
    client = () => unexpected('bytes behind a request for encryption');
    upstream = readReply;
    return 'pass';
  };

  function readStart(): Read {
    const add = createPrefix(maxStartupBytes);
    let seen = 0;
    return (bytes) => {
      seen += bytes.length;
      const all = add(bytes);
      if (all[0] === handshakeRecord) {
        client = createHelloRecognizer(({ applicationProtocols }) =>
          applicationProtocols.includes('postgresql')
            ? undefined
            : unexpected('a TLS handshake without ALPN postgresql'),
        );
        upstream = createServerHelloRecognizer();
        return client(all);
      }
      // No message of these is longer than two octets can say.
      if (all.subarray(0, 2).some((octet) => octet !== 0)) return unexpected('no PostgreSQL start');
      if (all.length < 8) return 'more';
      const length = all.readUInt32BE(0);
      const code = all.readUInt32BE(4);
      if (code === sslRequest || code === gssRequest) {
        if (length !== 8) return unexpected('no PostgreSQL start');
        return seen > 8
          ? unexpected('bytes behind a request for encryption')
          : ask(code === sslRequest ? 'ssl' : 'gss');
      }
      const isCancel = code === cancelRequest;
      const isStart = code >>> 16 === 3;
      if (
        !(isCancel && length >= 16 && length <= maxCancelBytes) &&
        !(isStart && length > 8 && length <= maxStartupBytes)
      )
        return unexpected('no PostgreSQL start');
      if (all.length < length) return 'more';
      if (isStart && !isParameters(all.toString('latin1', 8, length)))
        return unexpected('a malformed PostgreSQL start');
      upstream = readServer(true);
      return 'yes';
    };
  }

  /** One octet, and no more before the client has it. */
  const readReply: Read = (bytes) => {
    const reply = String.fromCharCode(bytes[0] ?? 0);
    if (reply === 'E') {
      upstream = readServer(true);
      return upstream(bytes);
    }
    if (bytes.length > 1) return unexpected('bytes behind the answer to a request for encryption');
    if (reply === 'N') {
      client = readStart();
      upstream = readServer(false);
      return 'pass';
    }
    if (reply === 'S' && asked === 'ssl') {
      client = createHelloRecognizer(() => undefined);
      upstream = createServerHelloRecognizer();
      return 'pass';
    }
    if (reply === 'G' && asked === 'gss') {
      client = createGssRecognizer();
      upstream = createGssRecognizer();
      return 'pass';
    }
    return unexpected('no answer to a request for encryption');
  };

  return { client: (bytes) => client(bytes), upstream: (bytes) => upstream(bytes) };
}

/** Names and values, each with a zero behind it, then another zero; among them who it is. */
const isParameters = (text: string): boolean =>
  /^(?:[^\0]+\0[^\0]*\0)+\0$/.test(text) && /(?:^|\0)user\0[^\0]/.test(text);

const maxMessageBytes = 30_000;

/** An error may come of itself; authentication, a version and notices only to one who began. */
function readServer(hasBegun: boolean): Read {
  const add = createPrefix(5);
  const types = hasBegun ? 'REvN' : 'E';
  return (bytes) => {
    const all = add(bytes);
    const isFitting =
      types.includes(String.fromCharCode(all[0] ?? 0)) && all.subarray(1, 3).every((octet) => octet === 0);
    if (!isFitting) return unexpected('no PostgreSQL answer');
    if (all.length < 5) return 'more';
    const length = all.readUInt32BE(1);
    return length > 4 && length <= maxMessageBytes ? 'yes' : unexpected('no PostgreSQL answer');
  };
}
