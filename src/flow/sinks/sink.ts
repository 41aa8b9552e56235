/** A record as it leaves for one receiver. */
export interface OutgoingRecord {
  /** In the format that the sink is set to; one line, without a line feed. */
  readonly text: string;
  /** The record itself, after redaction, for what a protocol says beside the text. */
  readonly record: Readonly<Record<string, unknown>>;
}

/** A record that the receiver will never take, however often it is sent. */
export interface RefusedRecord {
  /** In the batch. */
  readonly index: number;
  readonly reason: string;
}

export interface Receipt {
  readonly refused?: readonly RefusedRecord[];
  /** Where the receiver acknowledges later: until then the batch counts as not delivered. */
  readonly acknowledged?: Promise<void>;
}

/**
 * One receiver. Nothing is sent twice at once: the next batch comes when `send` has resolved. What throws, or whose
 * `acknowledged` rejects, is sent again after a pause, with all that came after it; the error's message is shown to people.
 */
export interface Sink {
  /** How many batches may wait for their acknowledgement, of which only the places in the spool are kept. */
  readonly maxUnacknowledged: number;
  /** Must settle within a time of its own: a receiver that does not answer is an error. */
  send(batch: readonly OutgoingRecord[]): Promise<Receipt>;
  /** Ends the connection; what the receiver confirms by that is acknowledged. Never throws. */
  close(): Promise<void>;
}

/**
 * The receiver does not take this batch, by its size or for something in it: half of it is tried, and so on. A record that
 * it does not take alone is refused for good.
 */
export class BatchRefused extends Error {
  override readonly name = 'BatchRefused';
}
