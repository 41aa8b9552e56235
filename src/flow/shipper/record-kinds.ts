import type { RecordKind } from '../../contract/sinks.ts';
import { recordKindOf } from '../spool/chain.ts';
import { parseHeadName } from '../spool/segment-names.ts';
import type { Position, Positions } from './position.ts';
import type { SpoolListing } from './spool-listing.ts';

/** The chains that a sink takes, as if there were no others: a sink that takes one kind misses none of the other. */
export const listingOf = (listing: SpoolListing, records: RecordKind | undefined): SpoolListing =>
  records === undefined
    ? listing
    : {
        streams: async () =>
          (await listing.streams()).filter(({ stream }) => recordKindOf(stream) === records),
        outdate: () => listing.outdate(),
      };

/** Places in the chains of one kind, or of both. */
export const positionsOf = (positions: Positions, records: RecordKind | undefined): Map<string, Position> =>
  new Map([...positions].filter(([name]) => records === undefined || isOfKind(name, records)));

function isOfKind(name: string, records: RecordKind): boolean {
  const stream = parseHeadName(`${name}.head`);
  return stream !== undefined && recordKindOf(stream) === records;
}
