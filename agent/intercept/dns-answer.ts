import { AUTHORITATIVE_ANSWER, decode, encode, RECURSION_DESIRED } from 'dns-packet';
import type { Answer, DecodedPacket, OptAnswer, Packet, Question } from 'dns-packet';

/** What is known of a name: its address, that it is an application's which cannot be reached now, or nothing. */
export type NameFacts = { readonly address: string } | 'unavailable' | undefined;

export const maxMessageBytes = 4096;
/** A program may be told of an application's end by this much late. */
const ttlSeconds = 30;
/** RFC 9715: fits every path; this one is the laptop itself. */
const ownPayloadBytes = 1232;

const noError = 0;
const formatError = 1;
const serverFailure = 2;
const notImplemented = 4;
const refused = 5;
/** RFC 6891: its upper bits are in the OPT record. */
const badVersion = 16;

const responseBit = 0x8000;
const opcodeBits = 0x7800;

/**
 * The answer to one DNS message (RFC 1035), or undefined where silence is right: what is itself a response gets none,
 * ever, so that two servers cannot be set talking to each other; nothing is ever asked of another server either. Names of
 * applications have one A record and no other (AAAA, HTTPS and SVCB among them: there, and empty); every other name is
 * refused. Whatever cannot be read one way only is a format error.
 */
export function answerDns(message: Buffer, find: (name: string) => NameFacts): Buffer | undefined {
  if (message.length < 12) return undefined;
  const flags = message.readUInt16BE(2);
  if ((flags & responseBit) !== 0) return undefined;
  const id = message.readUInt16BE(0);
  const reply = (code: number, parts: Partial<Packet> = {}): Buffer =>
    encode({
      id,
      type: 'response',
      flags:
        (flags & (opcodeBits | RECURSION_DESIRED)) |
        (code === noError ? AUTHORITATIVE_ANSWER : 0) |
        (code & 15),
      ...parts,
    });
  if ((flags & opcodeBits) !== 0) return reply(notImplemented);
  const query = readQuery(message);
  if (query === undefined) return reply(formatError);
  const { question, opt } = query;
  if (question.class !== 'IN') return reply(refused);
  const say = (code: number, answers: Answer[] = []): Buffer =>
    reply(code, {
      questions: [question],
      answers,
      ...(opt === undefined ? {} : { additionals: [ownOpt(code >> 4)] }),
    });
  if (opt !== undefined && opt.ednsVersion !== 0) return say(badVersion);
  const name = question.name.toLowerCase();
  const found = find(name);
  if (found === undefined) return say(refused);
  if (found === 'unavailable') return say(serverFailure);
  const { type } = question as { type: string };
  // What is asked with it is not for one name but for a whole zone.
  if (type === 'AXFR' || type === 'IXFR') return say(refused);
  if (type !== 'A' && type !== 'ANY') return say(noError);
  return say(noError, [{ type: 'A', name: question.name, ttl: ttlSeconds, data: found.address }]);
}

const ownOpt = (extendedRcode: number): OptAnswer =>
  ({
    type: 'OPT',
    name: '.',
    udpPayloadSize: ownPayloadBytes,
    extendedRcode,
    ednsVersion: 0,
    flags: 0,
    options: [],
  }) as unknown as OptAnswer;

interface Query {
  readonly question: Question;
  readonly opt: { readonly ednsVersion: number } | undefined;
}

/** The one question, and the OPT record that may stand behind it (RFC 6891); undefined for anything else. */
function readQuery(message: Buffer): Query | undefined {
  const [questions, answers, authorities, additionals] = [4, 6, 8, 10].map((at) => message.readUInt16BE(at));
  if (questions !== 1 || answers !== 0 || authorities !== 0 || (additionals ?? 0) > 1) return undefined;
  if (message.length > maxMessageBytes) return undefined;
  let packet: DecodedPacket;
  try {
    packet = decode(message);
  } catch {
    return undefined;
  }
  const question = packet.questions?.[0];
  if (question === undefined) return undefined;
  const wire = wireName(question.name);
  // A dot within a label, a pointer, or a byte that is no ASCII: the name that was asked is not the one that was read.
  if (!message.subarray(12, 12 + wire.length).equals(wire)) return undefined;
  const opt = packet.additionals?.[0] as { type: string; ednsVersion: number } | undefined;
  // TSIG and the like: a signature that nobody here could check.
  if (opt !== undefined && opt.type !== 'OPT') return undefined;
  return { question, opt };
}

function wireName(name: string): Buffer {
  if (name === '.') return Buffer.from([0]);
  const labels = name.split('.').map((label) => Buffer.from(label, 'latin1'));
  return Buffer.concat([
    ...labels.flatMap((label) => [Buffer.from([label.length & 255]), label]),
    Buffer.from([0]),
  ]);
}
