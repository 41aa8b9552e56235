import type { FlowStream } from '../spool/chain.ts';
import { parseFrame } from '../frames/frame.ts';
import type { Frame } from '../frames/frame.ts';
import { parseShort } from '../frames/short-record.ts';

/** What verifying needs of a record. Nothing of it is trusted: it is what is being verified. */
export interface ChainLink {
  readonly kind: 'record';
  readonly sequence: number;
  readonly previous: string;
  /** What the next one names as the one before it. */
  readonly hash: string;
  readonly lost: number;
  /** Epoch milliseconds: when it was written. */
  readonly loggedAt: number;
  /** That its worker lives, and nothing else. */
  readonly isHeartbeat: boolean;
  /** Which chain it says that it is of; undefined where the context that it names says so. */
  readonly stream: FlowStream | undefined;
  readonly context: string | undefined;
  /** Whether its line is as it was written, as far as its length and checksum tell. */
  readonly isSound: boolean;
}

export type ContextLink = Frame & { readonly kind: 'context' };

/** What a line of a segment is: records in their order, or a context. */
export type LineLinks = readonly [ChainLink, ...ChainLink[]] | ContextLink;

/** Parses a line of a segment, or says by undefined that it is none. */
export function readChainLinks(line: Buffer): LineLinks | undefined {
  const frame = parseFrame(line);
  if (frame === undefined) return undefined;
  const { kind } = frame;
  if (kind === 'context') return { ...frame, kind };
  const [first, ...more] = kind === 'short' ? readShort(frame) : readWhole(frame);
  return first === undefined ? undefined : [first, ...more];
}

/** The last of what a line is: where a chain ends that ends with it. */
export function readLastLink(line: Buffer): ChainLink | ContextLink | undefined {
  const links = readChainLinks(line);
  return links === undefined || 'kind' in links ? links : links.at(-1);
}

const readShort = ({ payload, isSound }: Frame): ChainLink[] =>
  (parseShort(payload) ?? [])
    .filter(({ sequence }) => sequence >= 1)
    .map(({ context, sequence, loggedTime, lost, previous, hash }) => ({
      kind: 'record',
      sequence,
      previous,
      hash,
      lost,
      loggedAt: loggedTime,
      isHeartbeat: false,
      stream: undefined,
      context,
      isSound,
    }));

function readWhole({ payload, hash, isSound }: Frame): ChainLink[] {
  try {
    const record = JSON.parse(payload.toString('utf8')) as {
      class_uid: unknown;
      activity_id: unknown;
      metadata: { sequence: unknown; logged_time: unknown };
      unmapped: { postern: Record<string, unknown> };
    };
    const { sequence, logged_time: loggedAt } = record.metadata;
    const { postern } = record.unmapped;
    const { previous, lost } = postern;
    const stream = readStream(postern);
    return typeof sequence === 'number' &&
      Number.isSafeInteger(sequence) &&
      sequence >= 1 &&
      typeof previous === 'string' &&
      stream !== undefined &&
      typeof lost === 'number' &&
      typeof loggedAt === 'number'
      ? [
          {
            kind: 'record',
            sequence,
            previous,
            hash,
            lost,
            loggedAt,
            isHeartbeat: record.class_uid === 3004 && record.activity_id === 99,
            stream,
            context: undefined,
            isSound,
          },
        ]
      : [];
  } catch {
    return [];
  }
}

/** The chain that a record or a context says that it is of. */
export function readStream({
  worker,
  workerStartedAt: startedAt,
  boot: bootId,
}: Readonly<Record<string, unknown>>): FlowStream | undefined {
  return typeof worker === 'number' && typeof startedAt === 'number' && typeof bootId === 'string'
    ? { worker, startedAt, bootId }
    : undefined;
}
