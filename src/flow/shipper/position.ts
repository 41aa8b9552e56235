/** A place in one worker's chain: just behind a record. */
export interface Position {
  readonly segment: number;
  /** Bytes from the beginning of the segment. */
  readonly offset: number;
  /** Of the record before it; 0 at the beginning of a chain, undefined where it is not known. */
  readonly sequence: number | undefined;
  /** Of that record's line, by which the place is found again; empty where there is none. */
  readonly hash: string;
  /** Its worker has ended and all of it was read: nothing comes after. */
  readonly isOver?: true;
}

export const chainBeginning: Position = { segment: 0, offset: 0, sequence: 0, hash: '' };

/** Places in several chains, by the chain's name. */
export type Positions = ReadonlyMap<string, Position>;

/** What moves a set of places: those that changed, and undefined for chains that are no longer there. */
export type PositionChange = ReadonlyMap<string, Position | undefined>;

/** Applies a change in place. */
export function applyChange(positions: Map<string, Position>, change: PositionChange): void {
  for (const [name, position] of change)
    if (position === undefined) positions.delete(name);
    else positions.set(name, position);
}
