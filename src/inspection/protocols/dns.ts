import { unexpected } from './recognizer.ts';
import type { Reading, Recognizer } from './recognizer.ts';

/** DNS in datagrams (RFC 1035, section 4.1): each is a whole message, of which the head and the question are looked at. */
export const createDnsRecognizer = (): Recognizer => ({
  client: (bytes) => readMessage(bytes, false),
  upstream: (bytes) => readMessage(bytes, true),
});

const headBytes = 12;
const maxNameBytes = 255;
/** Query, and what else servers are asked: status, notify, update, stateful operations. */
const operations = new Set([0, 2, 4, 5, 6]);

function readMessage(bytes: Uint8Array, isAnswer: boolean): Reading {
  const none = unexpected(isAnswer ? 'no DNS answer' : 'no DNS question');
  if (bytes.length < headBytes) return none;
  const flags = bytes[2] ?? 0;
  const [questionsHigh = 0, questions = 0] = bytes.subarray(4);
  const isFitting =
    flags >> 7 === Number(isAnswer) && operations.has((flags >> 3) & 15) && questionsHigh === 0;
  if (!isFitting || questions > 1) return none;
  // A server that could not read the question does not repeat it; a client has one to ask.
  if (questions === 0) return isAnswer ? 'yes' : none;
  return isQuestion(bytes.subarray(headBytes)) ? 'yes' : none;
}

/** A name, its type and its class. */
function isQuestion(bytes: Uint8Array): boolean {
  let at = 0;
  for (;;) {
    const length = bytes[at];
    if (length === undefined || length > 63 || at > maxNameBytes) return false;
    at += 1 + length;
    if (length === 0) return bytes.length >= at + 4;
  }
}
