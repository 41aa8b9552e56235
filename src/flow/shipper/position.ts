/** A place in one worker's chain: just behind a line of records, or behind a record in the line of them that comes next. */
export interface Position {
  readonly segment: number;
  /** Bytes from the beginning of the segment. */
  readonly offset: number;
  /** So many records of the line that comes next were read; none without it. */
  readonly passed?: number;
  /** Of the record that was read last; 0 at the beginning of a chain, undefined where it is not known. */
  readonly sequence: number | undefined;
  /** Of the record at the end of the line before, by which the place is found again; empty where there is none. */
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
