import type { FlowStream } from '../spool/chain.ts';
import { listSegments } from '../spool/list-segments.ts';
import { parseSegmentName, streamName } from '../spool/segment-names.ts';

/** One worker's chain as its files show it. */
export interface ListedStream {
  readonly name: string;
  readonly stream: FlowStream;
  readonly directory: string;
  /** Numbers of the segments that are there, in order. */
  readonly segments: readonly number[];
}

/** The chains of some directories, listed once for all sinks until something comes or goes. */
export interface SpoolListing {
  /** @throws what the file system throws */
  streams(): Promise<readonly ListedStream[]>;
  outdate(): void;
}

export function createSpoolListing(directories: readonly string[]): SpoolListing {
  let listing: Promise<readonly ListedStream[]> | undefined;
  return {
    streams() {
      if (listing === undefined) {
        const asked = listAll(directories);
        listing = asked;
        asked.catch(() => {
          if (listing === asked) listing = undefined;
        });
      }
      return listing;
    },
    outdate: () => (listing = undefined),
  };
}

async function listAll(directories: readonly string[]): Promise<readonly ListedStream[]> {
  const listed = (await Promise.all(directories.map(listStreams))).flat();
  return listed.sort((a, b) => a.stream.startedAt - b.stream.startedAt || (a.name < b.name ? -1 : 1));
}

async function listStreams(directory: string): Promise<readonly ListedStream[]> {
  const found = (await listSegments(directory)).flatMap((name) => parseSegmentName(name) ?? []);
  return [...Map.groupBy(found, ({ stream }) => streamName(stream))].map(([name, segments]) => ({
    name,
    directory,
    stream: segments[0]?.stream ?? { worker: 0, startedAt: 0, bootId: '' },
    segments: segments.map(({ segment }) => segment).sort((a, b) => a - b),
  }));
}
