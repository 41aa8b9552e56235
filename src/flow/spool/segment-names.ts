import type { FlowStream } from './chain.ts';

/**
 * Names of files in a flow directory. They sort by worker, then start, then segment, which is the order of the chain:
 * `worker-0001-1764063000000-BOOT-000001.jsonl`, and one `…-BOOT.head` for each chain.
 */
const segmentPattern = /^worker-([0-9]{4,})-([0-9]{13,})-([A-Za-z0-9_.-]{1,64})-([0-9]{6,})\.jsonl$/;
const headPattern = /^worker-([0-9]{4,})-([0-9]{13,})-([A-Za-z0-9_.-]{1,64})\.head$/;

const retiredPattern = /^worker-([0-9]{4,})-([0-9]{13,})-([A-Za-z0-9_.-]{1,64})\.retired$/;

/** Starts the names of all files of one chain, and tells chains apart. */
export function streamName({ worker, startedAt, bootId }: FlowStream): string {
  if (!/^[A-Za-z0-9_.-]{1,64}$/.test(bootId)) throw new TypeError(`boot id ${JSON.stringify(bootId)}`);
  return `worker-${String(worker).padStart(4, '0')}-${String(startedAt).padStart(13, '0')}-${bootId}`;
}

export const segmentName = (stream: FlowStream, segment: number): string =>
  `${streamName(stream)}-${String(segment).padStart(6, '0')}.jsonl`;

export const headName = (stream: FlowStream): string => `${streamName(stream)}.head`;

export function parseSegmentName(name: string): { stream: FlowStream; segment: number } | undefined {
  const match = segmentPattern.exec(name);
  if (match === null) return undefined;
  const [, worker, startedAt, bootId = '', segment] = match;
  return {
    stream: { worker: Number(worker), startedAt: Number(startedAt), bootId },
    segment: Number(segment),
  };
}

/** Beside a chain whose first segments were removed when their time was over. */
export const retiredName = (stream: FlowStream): string => `${streamName(stream)}.retired`;

export const parseHeadName = (name: string): FlowStream | undefined => parseStream(headPattern, name);
export const parseRetiredName = (name: string): FlowStream | undefined => parseStream(retiredPattern, name);

function parseStream(pattern: RegExp, name: string): FlowStream | undefined {
  const match = pattern.exec(name);
  if (match === null) return undefined;
  const [, worker, startedAt, bootId = ''] = match;
  return { worker: Number(worker), startedAt: Number(startedAt), bootId };
}
