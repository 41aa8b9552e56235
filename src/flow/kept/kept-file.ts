import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { Type } from 'typebox';
import type { Static } from 'typebox';
import { Compile } from 'typebox/compile';
import type { FlowStream } from '../spool/chain.ts';
import { plainFile } from '../read/plain-file.ts';
import { readLines } from '../read/read-lines.ts';
import { parseHeadName, streamName } from '../spool/segment-names.ts';

/**
 * A file with those records of one segment that are kept when the segment goes: a line that says of which, and the
 * records as receivers see them, a line each.
 */
const Sha256Hex = Type.String({ pattern: '^[0-9a-f]{64}$' });
const Count = Type.Integer({ minimum: 0 });
const KeptHeader = Type.Object(
  {
    kept: Type.Literal(1),
    stream: Type.String(),
    segment: Count,
    records: Type.Integer({ minimum: 1 }),
    /** When the last of them was written, in epoch milliseconds. */
    lastAt: Count,
    /** SHA-256 of the file of this chain before it; 64 zeros where it is the first. */
    previous: Sha256Hex,
  },
  { additionalProperties: false },
);
export type KeptHeader = Static<typeof KeptHeader>;

const shape = Compile(KeptHeader);
export const noFileBefore = '0'.repeat(64);

/** Of a file of kept records, which may be too large to be held. @throws what the file system throws */
export async function keptHash(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(
    createReadStream(path, { highWaterMark: 256 * 1024, flags: plainFile as unknown as string }),
    hash,
  );
  return hash.digest('hex');
}

const namePattern = /^(worker-.+)-([0-9]{6,})\.kept$/;
export const keptName = (stream: FlowStream, segment: number): string =>
  `${streamName(stream)}-${String(segment).padStart(6, '0')}.kept`;

export function parseKeptName(name: string): { stream: FlowStream; segment: number } | undefined {
  const [, chain = '', segment] = namePattern.exec(name) ?? [];
  const stream = parseHeadName(`${chain}.head`);
  return stream === undefined ? undefined : { stream, segment: Number(segment) };
}

/** What the first line of a file says; undefined for one that is none. @throws what the file system throws */
export async function readKeptHeader(path: string): Promise<KeptHeader | undefined> {
  for await (const { bytes } of readLines(path)) return parseKeptHeader(bytes);
  return undefined;
}

/** The same of that line, for whoever reads on. */
export function parseKeptHeader(line: Buffer): KeptHeader | undefined {
  try {
    const value: unknown = JSON.parse(line.toString('utf8'));
    return shape.Check(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
