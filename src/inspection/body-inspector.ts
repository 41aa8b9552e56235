import type { Refusal } from '../contract/refusals.ts';
import type { InspectionOutcome, UninspectedReason } from '../domain/inspection.ts';

/** From the laptop to the application, or back. */
export type Direction = 'upload' | 'download';

/** What is known of a body before it comes. */
export interface BodyFacts {
  readonly direction: Direction;
  /** Media type in lower case, without parameters; empty where the sender names none. */
  readonly mediaType: string;
  /** With its parameters, as it was sent. */
  readonly contentType: string;
  /** Octets that an inspector will get, where that is known. */
  readonly size: number | undefined;
}

/** What an inspector says of a body in the end. */
export interface BodyVerdict {
  /** For the flow's record. */
  readonly outcome: InspectionOutcome;
  /** Why the rest of it must not get to whom it is for. */
  readonly refusal?: Refusal;
}

/**
 * Looks at one body, piece by piece, in the order in which they pass and without the content coding that they travel in.
 * Whoever drives it keeps the end of the body back until there is a verdict. Nothing here throws or rejects: an inspector
 * that cannot go on says so in its verdict.
 */
export interface BodyInspector {
  /** Looks at the next piece, which nobody changes. A promise asks for a pause: no other piece comes until it is kept. */
  write(piece: Buffer): Promise<void> | undefined;
  /** What would follow cannot be read. No piece comes after this, but the end does. */
  unreadable(why: UninspectedReason): void;
  /** Set once nothing that may follow changes it; no piece needs to come any more. */
  readonly verdict: BodyVerdict | undefined;
  /** All of it came. */
  end(): BodyVerdict | Promise<BodyVerdict>;
  /** Nobody waits for a verdict any more. May come at any time, and after the end. */
  abort(): void;
}
