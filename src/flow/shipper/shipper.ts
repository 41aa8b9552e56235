import { join } from 'node:path';
import type { SinkHealth } from '../../contract/sinks.ts';
import type { RetentionDays } from '../retention.ts';
import type { ResolvedSink } from '../sinks/resolved-sink.ts';
import type { Origin } from '../record/envelope.ts';
import { createSink } from '../sinks/create-sink.ts';
import { watchDirectory } from '../read/watch-directory.ts';
import { openCursorFile } from './cursor-file.ts';
import { startDelivery } from './delivery.ts';
import type { Delivery } from './delivery.ts';
import { confirmPositions, findEnds } from './find-positions.ts';
import type { Position, Positions } from './position.ts';
import { listingOf, positionsOf } from './record-kinds.ts';
import { createSpoolListing } from './spool-listing.ts';
import type { ListedStream, SpoolListing } from './spool-listing.ts';
import { createSpoolReader } from './spool-reader.ts';

export interface ShipperLog {
  info(facts: object, sentence: string): void;
  warn(facts: object, sentence: string): void;
}

export interface ShipperOptions {
  /** Of chains: of the workers, and of the control process. */
  readonly recordDirectories: readonly string[];
  /** Of the cursors, and of what receivers refuse; ours alone. */
  readonly sinkDirectory: string;
  readonly archiveDirectory: string;
  /** As its certificate bears it. */
  readonly gateway: string;
  /** How long records are kept. */
  readonly retention: RetentionDays;
  readonly sinks: readonly ResolvedSink[];
  readonly origin: Origin;
  readonly bootId: string;
  readonly log: ShipperLog;
  /** A sink began to fail, or delivers again. */
  readonly onChange?: () => void;
}

/** Delivers the records of a server to all its sinks, none of which waits for another. */
export interface Shipper {
  health(): Promise<readonly SinkHealth[]>;
  /** Delivers what is there by now, within a time, and leaves the cursors on disk. */
  stop(withinMs: number): Promise<void>;
}

const lookAgain = { ms: 15_000, unwatchedMs: 1000 };

/** @throws what the file system throws where the spool or a cursor cannot be read. */
export async function startShipper(options: ShipperOptions): Promise<Shipper> {
  const { recordDirectories, sinkDirectory, origin, bootId, log } = options;
  const listing = createSpoolListing(recordDirectories);
  const deliveries: Delivery[] = [];
  // Before the first look: what is written in between is seen by one of them.
  const watching = recordDirectories.map((directory) =>
    watchDirectory(
      directory,
      (isAboutNames) => {
        if (isAboutNames) listing.outdate();
        for (const delivery of deliveries) delivery.notice();
      },
      lookAgain,
    ),
  );
  const unwatch = (): void => {
    for (const each of watching) each.close();
  };

  async function startOf({ settings }: ResolvedSink, listing: SpoolListing): Promise<Positions> {
    const { name, from, records } = settings;
    const cursor = openCursorFile(join(sinkDirectory, `${name}.cursor`));
    const saved = await cursor.load();
    if (saved === 'unusable') {
      log.warn({ sink: name }, 'cursor unusable, delivering from the beginning');
      return new Map();
    }
    if (saved !== undefined)
      return confirmPositions(await listing.streams(), positionsOf(saved, records), (stream) =>
        log.warn({ sink: name, stream }, 'cursor does not fit the spool, delivering that segment again'),
      );
    const positions = from === 'now' ? await findEnds(await listing.streams()) : new Map<string, Position>();
    // So that `now` is the first start and not each one before something was delivered.
    await cursor.save(positions);
    return positions;
  }

  try {
    for (const resolved of options.sinks) {
      const { settings } = resolved;
      const { name, records } = settings;
      const wanted = listingOf(listing, records);
      const positions = await startOf(resolved, wanted);
      const reader = createSpoolReader({ listing: wanted, bootId, passesOver: true });
      reader.reset(positions);
      deliveries.push(
        startDelivery({
          settings,
          sink: await createSink(resolved, {
            ...options,
            flowDirectory: recordDirectories[0] ?? sinkDirectory,
            onTrouble: (problem) => log.warn({ sink: name, problem }, 'sink in trouble of its own'),
          }),
          reader,
          cursor: openCursorFile(join(sinkDirectory, `${name}.cursor`)),
          positions,
          refusedFile: join(sinkDirectory, `${name}.refused`),
          origin,
          onTrouble: (problem, retryInMs) => {
            log.warn({ sink: name, problem, retryInMs }, 'records not delivered');
            options.onChange?.();
          },
          onRecovered: () => {
            log.info({ sink: name }, 'records delivered again');
            options.onChange?.();
          },
        }),
      );
    }
  } catch (error) {
    unwatch();
    for (const delivery of deliveries) await delivery.stop(0);
    throw error;
  }

  return {
    async health() {
      const isOpen = ({ name }: ListedStream): boolean =>
        deliveries.some(({ acknowledged }) => acknowledged.get(name)?.isOver !== true);
      const ends = await findEnds((await listing.streams()).filter(isOpen));
      return deliveries.map((delivery, index) => ({
        ...delivery.health(),
        lagRecords: countBetween(
          delivery.acknowledged,
          positionsOf(ends, options.sinks[index]?.settings.records),
        ),
      }));
    },
    async stop(withinMs) {
      await Promise.all(deliveries.map((delivery) => delivery.stop(withinMs)));
      unwatch();
    },
  };
}

function countBetween(from: Positions, to: Positions): number {
  let count = 0;
  for (const [name, end] of to) {
    const { sequence, isOver } = from.get(name) ?? { sequence: 0 };
    if (isOver !== true && sequence !== undefined) count += Math.max(0, (end.sequence ?? 0) - sequence);
  }
  return count;
}
