import { createPrefix } from '../prefix.ts';
import { beginsAs, unexpected } from './recognizer.ts';
import type { Reading, Recognizer } from './recognizer.ts';

/** HTTP without TLS: a request line (RFC 9112, section 3) or the preface of HTTP/2 (RFC 9113, section 3.4), and an answer. */
export const createHttpRecognizer = (): Recognizer => ({
  client: createRequestRecognizer(),
  upstream: createAnswerRecognizer(),
});

const preface = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';
const maxLineBytes = 8192;
const maxMethodBytes = 32;

function createRequestRecognizer(): (bytes: Uint8Array) => Reading {
  const add = createPrefix(maxLineBytes);
  let searched = 0;
  return (bytes) => {
    const all = add(bytes);
    if (beginsAs(all, preface)) return all.length < preface.length ? 'more' : 'yes';
    if (!/^[A-Z]+(?:-[A-Z]+)*(?:-?$| )/.test(all.toString('latin1', 0, maxMethodBytes)))
      return unexpected('no HTTP request');
    const end = all.indexOf('\n', searched);
    searched = all.length;
    if (end === -1)
      return all.length < maxLineBytes ? 'more' : unexpected('an HTTP request line that is too long');
    const isRequest = /^[A-Z-]+ [!-~\x80-\xff]+ HTTP\/1\.[01]\r?$/.test(all.toString('latin1', 0, end));
    return isRequest ? 'yes' : unexpected('no HTTP request');
  };
}

function createAnswerRecognizer(): (bytes: Uint8Array) => Reading {
  const add = createPrefix(12);
  return (bytes) => {
    const all = add(bytes);
    if (all[0] === 0) return readSettings(all);
    const isAnswer = /^H(?:T(?:T(?:P(?:\/(?:1(?:\.(?:[01](?: (?:[1-5](?:[0-9]{1,2})?)?)?)?)?)?)?)?)?)?$/.test(
      all.toString('latin1'),
    );
    if (!isAnswer) return unexpected('no HTTP answer');
    return all.length < 12 ? 'more' : 'yes';
  };
}

/** A server of HTTP/2 begins with a SETTINGS frame (RFC 9113, sections 4.1 and 6.5). */
function readSettings(all: Buffer): Reading {
  const [, high = 0, low = 0, type = 4, flags = 0, ...stream] = all;
  const isSettings = (high * 256 + low) % 6 === 0 && type === 4 && flags === 0;
  if (all.length < 3) return 'more';
  if (!isSettings || stream.slice(0, 4).some((octet) => octet !== 0)) return unexpected('no HTTP answer');
  return all.length < 9 ? 'more' : 'yes';
}
