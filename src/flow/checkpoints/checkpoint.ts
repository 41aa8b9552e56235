import { createHash, createPublicKey, sign, verify } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { Type } from 'typebox';
import type { Static } from 'typebox';
import { Compile } from 'typebox/compile';

/**
 * A signed statement of how far each chain of a directory was written at a time. Whoever takes over a worker can write
 * records, and can write the whole spool anew, hashes and heads with it; the key that signs these is out of its reach.
 */
const strict = { additionalProperties: false } as const;
const Sha256Hex = Type.String({ pattern: '^[0-9a-f]{64}$' });
const Count = Type.Integer({ minimum: 0 });
const End = { segment: Count, sequence: Count, hash: Sha256Hex };
const Retired = Type.Object(
  {
    ...End,
    at: Type.Optional(Count),
    before: Type.Optional(Count),
    by: Type.Optional(Type.String({ maxLength: 253 })),
    kept: Type.Optional(
      Type.Object({ oldest: Count, previous: Sha256Hex, newest: Count, hash: Sha256Hex }, strict),
    ),
  },
  strict,
);

/** How far one chain was written: its last record that is known to be on disk. */
export const StreamMark = Type.Object(
  {
    /** The name that its files begin with. */
    stream: Type.String({ pattern: '^worker-[0-9]{4,}-[0-9]{13,}-[A-Za-z0-9_.-]{1,64}$' }),
    ...End,
    /** Nothing comes after it: its process ended. */
    ended: Type.Boolean(),
    /** The part of it that was removed because the time to keep it was over. */
    retired: Type.Optional(Retired),
  },
  strict,
);
export type StreamMark = Static<typeof StreamMark>;

export const Checkpoint = Type.Object(
  {
    version: Type.Literal(1),
    /** Which directory it is about. */
    records: Type.Enum(['flows', 'access']),
    /** From 1, without a gap. */
    number: Type.Integer({ minimum: 1 }),
    at: Type.Integer({ minimum: 0, description: 'epoch milliseconds' }),
    /** The earliest checkpoint that is kept: those before it were removed when their time was over. */
    oldest: Type.Integer({ minimum: 1 }),
    /** SHA-256 of the line before, in hexadecimal; of the very first, 64 zeros. */
    previous: Sha256Hex,
    /** Which key signed it: SHA-256 of its public half (SPKI, DER), base64url. */
    key: Type.String({ pattern: '^[A-Za-z0-9_-]{43}$' }),
    /** Whether all chains are in it, as at the beginning of a file; otherwise only those that went on. */
    full: Type.Boolean(),
    streams: Type.Array(StreamMark),
  },
  strict,
);
export type Checkpoint = Static<typeof Checkpoint>;

export type CheckpointedRecords = Checkpoint['records'];

export const firstPrevious = '0'.repeat(64);
const shape = Compile(Checkpoint);
const domain = 'postern-flow-checkpoint-1\n';
const linePattern = /^\{"checkpoint":(\{.*\}),"signature":"([A-Za-z0-9_-]{86})"\}$/;

export const keyIdOf = (key: KeyObject): string =>
  createHash('sha256')
    .update((key.type === 'private' ? createPublicKey(key) : key).export({ format: 'der', type: 'spki' }))
    .digest('base64url');

/** The line of a checkpoint, without its line feed: the JSON that was signed, byte for byte, and an ES256 signature. */
export function signCheckpoint(checkpoint: Checkpoint, privateKey: KeyObject): string {
  const text = JSON.stringify(checkpoint);
  const signature = sign('sha256', Buffer.from(domain + text), {
    key: privateKey,
    dsaEncoding: 'ieee-p1363',
  });
  return `{"checkpoint":${text},"signature":"${signature.toString('base64url')}"}`;
}

/** What a line says, not verified. Undefined for one that is none. */
export function parseCheckpoint(line: string): Checkpoint | undefined {
  const [, text = ''] = linePattern.exec(line) ?? [];
  try {
    const value: unknown = JSON.parse(text);
    return shape.Check(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** Whether the line is as a key signed it. */
export function isSignedBy(line: string, publicKey: KeyObject): boolean {
  const [, text = '', signature = ''] = linePattern.exec(line) ?? [];
  if (text === '') return false;
  return verify(
    'sha256',
    Buffer.from(domain + text),
    { key: publicKey, dsaEncoding: 'ieee-p1363' },
    Buffer.from(signature, 'base64url'),
  );
}

export const checkpointHash = (line: string): string => createHash('sha256').update(line).digest('hex');

const namePattern = /^(flows|access)-([0-9]{16})\.jsonl$/;

/** Named by the first checkpoint in it, so that names sort in the order of numbers. */
export const checkpointFileName = (records: CheckpointedRecords, first: number): string =>
  `${records}-${String(first).padStart(16, '0')}.jsonl`;

export function parseCheckpointFileName(
  name: string,
): { readonly records: CheckpointedRecords; readonly first: number } | undefined {
  const [, records, first] = namePattern.exec(name) ?? [];
  return records === undefined
    ? undefined
    : { records: records as CheckpointedRecords, first: Number(first) };
}
