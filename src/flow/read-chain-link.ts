/** What verifying needs of a record. Nothing of it is trusted: it is what is being verified. */
export interface ChainLink {
  readonly sequence: number;
  readonly previous: string;
  readonly worker: number;
  /** Epoch milliseconds. */
  readonly startedAt: number;
  readonly bootId: string;
  readonly lost: number;
  /** Epoch milliseconds: when it was written. */
  readonly loggedAt: number;
  /** That its worker lives, and nothing else. */
  readonly isHeartbeat: boolean;
}

/** Parses a line as a flow record, or says by undefined that it is none. */
export function readChainLink(line: Buffer): ChainLink | undefined {
  try {
    const record = JSON.parse(line.toString('utf8')) as {
      class_uid: unknown;
      activity_id: unknown;
      metadata: { sequence: unknown; logged_time: unknown };
      unmapped: { postern: Record<string, unknown> };
    };
    const { sequence, logged_time: loggedAt } = record.metadata;
    const { previous, worker, workerStartedAt: startedAt, boot: bootId, lost } = record.unmapped.postern;
    return typeof sequence === 'number' &&
      Number.isSafeInteger(sequence) &&
      sequence >= 1 &&
      typeof previous === 'string' &&
      typeof worker === 'number' &&
      typeof startedAt === 'number' &&
      typeof bootId === 'string' &&
      typeof lost === 'number' &&
      typeof loggedAt === 'number'
      ? {
          sequence,
          previous,
          worker,
          startedAt,
          bootId,
          lost,
          loggedAt,
          isHeartbeat: record.class_uid === 3004 && record.activity_id === 99,
        }
      : undefined;
  } catch {
    return undefined;
  }
}
