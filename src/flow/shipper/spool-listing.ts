import { readdir } from 'node:fs/promises';
import type { FlowStream } from '../chain.ts';
import { parseSegmentName, streamName } from '../segment-names.ts';

/** One worker's chain as its files show it. */
export interface ListedStream {
  readonly name: string;
  readonly stream: FlowStream;
  /** Numbers of the segments that are there, in order. */
  readonly segments: readonly number[];
}

/** The chains of a directory, listed once for all sinks until something comes or goes. */
export interface SpoolListing {
  /** @throws what the file system throws */
  streams(): Promise<readonly ListedStream[]>;
  outdate(): void;
}

export function createSpoolListing(directory: string): SpoolListing {
  let listing: Promise<readonly ListedStream[]> | undefined;
  return {
    streams() {
      if (listing === undefined) {
        const asked = listStreams(directory);
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

async function listStreams(directory: string): Promise<readonly ListedStream[]> {
  const found = (await readdir(directory)).flatMap((name) => parseSegmentName(name) ?? []);
  return [...Map.groupBy(found, ({ stream }) => streamName(stream))]
    .map(([name, segments]) => ({
      name,
      stream: segments[0]?.stream ?? { worker: 0, startedAt: 0, bootId: '' },
      segments: segments.map(({ segment }) => segment).sort((a, b) => a - b),
    }))
    .sort((a, b) => a.stream.startedAt - b.stream.startedAt || (a.name < b.name ? -1 : 1));
}
