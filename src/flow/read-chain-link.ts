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
}

/** Parses a line as a flow record, or says by undefined that it is none. */
export function readChainLink(line: Buffer): ChainLink | undefined {
  try {
    const record = JSON.parse(line.toString('utf8')) as {
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
      ? { sequence, previous, worker, startedAt, bootId, lost, loggedAt }
      : undefined;
  } catch {
    return undefined;
  }
}
