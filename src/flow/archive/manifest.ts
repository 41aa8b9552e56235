import { readFile } from 'node:fs/promises';
import { Type } from 'typebox';
import type { Static } from 'typebox';
import { Compile } from 'typebox/compile';
import { replaceFile } from '../../ledger/durable-file.ts';
import type { FlowStream } from '../spool/chain.ts';
import { memberOf } from '../shipper/spool-item.ts';
import type { FlowRecord } from '../shipper/spool-item.ts';

const strict = { additionalProperties: false } as const;
const Streams = Type.Record(Type.String(), Type.Integer({ minimum: 0 }));
const Manifest = Type.Object(
  {
    format: Type.Literal('postern-archive-1'),
    /** The last sequence number of each chain that is archived. */
    streams: Streams,
    /** The first sequence number that is archived of each chain whose earlier records are not: they were gone, or not asked for. */
    begins: Type.Optional(Streams),
    /** Files that are written and whose names may not all be there yet, and how far the chains are with them. */
    pending: Type.Optional(
      Type.Object(
        {
          files: Type.Array(Type.Object({ staged: Type.String(), name: Type.String() }, strict)),
          streams: Streams,
        },
        strict,
      ),
    ),
  },
  strict,
);
const validator = Compile(Manifest);
export type Manifest = Static<typeof Manifest>;
export type PendingFiles = NonNullable<Manifest['pending']>;

export const emptyManifest: Manifest = { format: 'postern-archive-1', streams: {} };

/**
 * What is archived, on disk beside the cursor. The cursor says what need not be read again; this says what must not be archived
 * again, though it was. Empty where there is none. @throws where it cannot be read, or is none
 */
export async function loadManifest(path: string): Promise<Manifest> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return emptyManifest;
    throw error;
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = undefined;
  }
  if (!validator.Check(value))
    throw new Error(`${path} is not what it was written as: move it away, and records may be archived twice`);
  return value;
}

/** Durable when it returns. @throws what the file system throws */
export const saveManifest = (path: string, manifest: Manifest): void =>
  replaceFile(path, Buffer.from(`${JSON.stringify(manifest)}\n`));

/** Chains that are remembered: those that were archived of last. One that was not for so long is not delivered again. */
const mostStreams = 5000;

export function advanceStreams(
  streams: Manifest['streams'],
  by: Manifest['streams'],
  most = mostStreams,
): Manifest['streams'] {
  const advanced = new Map(Object.entries(streams));
  for (const [name, sequence] of Object.entries(by)) {
    // Behind all others, as the last that was heard of.
    advanced.delete(name);
    advanced.set(name, sequence);
  }
  return Object.fromEntries([...advanced].slice(-most));
}

/** Which records of each chain are archived. */
export type Archived = Pick<Manifest, 'streams' | 'begins'>;

/** @param place undefined for what is of no chain, which nobody can tell */
export function isArchived({ streams, begins = {} }: Archived, place: ChainPlace | undefined): boolean {
  if (place === undefined) return false;
  const { stream, sequence } = place;
  return sequence <= (streams[stream] ?? 0) && sequence >= (begins[stream] ?? 0);
}

/** Whether older records of a chain may not be archived. One that is not remembered among so many may have been, and then is there. */
export function mayLackBeginning({ streams, begins = {} }: Archived, stream: string): boolean {
  if (streams[stream] === undefined) return Object.keys(streams).length < mostStreams;
  return begins[stream] !== undefined;
}

/** How far a chain is with a record in it: its own number, or for a gap the last that is missing. */
export interface ChainPlace {
  readonly stream: string;
  readonly sequence: number;
}

/** Of a chain that is gone, nobody knows how far it went. */
const end = Number.MAX_SAFE_INTEGER;

/** Undefined for what is of no chain. */
export function chainPlaceOf(record: FlowRecord): ChainPlace | undefined {
  const gap = memberOf(record, 'unmapped', 'postern', 'gap');
  const place = gap ?? memberOf(record, 'unmapped', 'postern');
  const [boot, worker, startedAt] = ['boot', 'worker', 'workerStartedAt'].map((name) =>
    memberOf(place, name),
  );
  const sequence =
    gap === undefined ? memberOf(record, 'metadata', 'sequence') : (memberOf(gap, 'to') ?? end);
  if (typeof sequence !== 'number' || typeof boot !== 'string') return undefined;
  return { stream: chainName(boot, worker, startedAt), sequence };
}

const chainName = (boot: unknown, worker: unknown, startedAt: unknown): string =>
  `${String(boot)} ${String(worker)} ${String(startedAt)}`;

/** As a place names it. */
export const chainNameOf = ({ bootId, worker, startedAt }: FlowStream): string =>
  chainName(bootId, worker, startedAt);

/** The first number of a chain that is archived, where the first that came of it is this record, or says that others are missing. */
export function chainBeginOf(record: FlowRecord, { sequence }: ChainPlace): number {
  const isGap = memberOf(record, 'unmapped', 'postern', 'gap') !== undefined;
  return isGap && sequence !== end ? sequence + 1 : sequence;
}
