import { createPrefix } from '../prefix.ts';
import { unexpected } from './recognizer.ts';
import type { Reading, Recognizer } from './recognizer.ts';

/** SMB on TCP without NetBIOS ([MS-SMB2] 2.1): a NEGOTIATE of version 2 or, as older clients begin, of version 1. */
export const createSmbRecognizer = (): Recognizer => ({
  client: recognizeSide(false),
  upstream: recognizeSide(true),
});

const transportBytes = 4;
/** Up to the flags of both versions. */
const neededBytes = transportBytes + 20;

function recognizeSide(isAnswer: boolean): (bytes: Uint8Array) => Reading {
  const add = createPrefix(neededBytes);
  return (bytes) => {
    const all = add(bytes);
    const version = all[transportBytes];
    const isFitting =
      all[0] === 0 &&
      (version === undefined || version === 0xfe || version === 0xff) &&
      all
        .subarray(transportBytes + 1, transportBytes + 4)
        .equals(Buffer.from('SMB').subarray(0, Math.max(0, all.length - transportBytes - 1)));
    if (!isFitting) return unexpected('no SMB negotiation');
    if (all.length < neededBytes) return 'more';
    const header = all.subarray(transportBytes);
    const isNegotiation =
      version === 0xfe
        ? // StructureSize, Command, and SMB2_FLAGS_SERVER_TO_REDIR (2.2.1).
          header.readUInt16LE(4) === 64 &&
          header.readUInt16LE(12) === 0 &&
          ((header[16] ?? 0) & 1) === Number(isAnswer)
        : // SMB_COM_NEGOTIATE, and SMB_FLAGS_REPLY ([MS-CIFS] 2.2.3.1).
          header[4] === 0x72 && ((header[9] ?? 0) & 0x80) === (isAnswer ? 0x80 : 0);
    return isNegotiation ? 'yes' : unexpected('no SMB negotiation');
  };
}
