import { once } from 'node:events';
import type { ChildProcess } from 'node:child_process';
import { statSync } from 'node:fs';
import { createShipperProcess } from '../../lab/shipper-process.ts';
import { createProgress } from '../support/progress.ts';
import {
  acknowledgedOf,
  hasAcknowledged,
  isWithin,
  lastOf,
  makeDirectories,
  nameOf,
  recordedIn,
  startWorker,
  until,
} from './lab.ts';
import { archivePath, startReceivers } from './receivers.ts';
import type { BenchReceiver } from './receivers.ts';

export interface KillRow {
  readonly receiver: string;
  readonly kills: number;
  readonly workers_killed: number;
  readonly records: number;
  readonly received: number;
  /** Of those that the receiver has acknowledged by our cursor; gaps that were declared would be records of their own. */
  readonly missing: number;
  /** Of those in the spool: still to be delivered when the time to catch up was over. */
  readonly behind: number;
  readonly declared_gaps: number;
  readonly twice: number;
}

/** After so many, a worker records slower until it is killed: on a machine that does much else, there are no more records for it. */
const load = { perSecond: 500, count: 800, thenPerSecond: 20 } as const;
const recordBytes = 3200;
const times = { betweenKillsMs: 20_000, catchUpMs: 300_000 } as const;

/**
 * Kills the process of the sinks, and each time one of two workers, at moments that nobody chose.
 * @throws Error with a sentence where a worker's sequence has a hole in the spool itself
 */
export async function measureKills(kills: number): Promise<KillRow[]> {
  const directories = makeDirectories();
  const { flows, sinks } = directories;
  const receivers = await startReceivers(directories.root);
  const archive = archivePath(directories.root);
  const shipper = createShipperProcess({
    recordDirectories: [flows],
    sinkDirectory: sinks,
    sinks: receivers.map(({ sink }) => sink),
  });
  let workers = 0;
  const startNext = (): ChildProcess =>
    startWorker(flows, ++workers, load.perSecond, load.count, load.thenPerSecond);
  const running = [startNext(), startNext()];
  const killOldest = async (): Promise<void> => {
    const oldest = running.shift();
    if (oldest === undefined) return;
    const exit = once(oldest, 'exit');
    oldest.kill('SIGKILL');
    await exit;
  };
  const archived = (): number => statSync(archive, { throwIfNoEntry: false })?.size ?? 0;
  const progress = createProgress('kills', kills);
  for (let kill = 1; kill <= kills; kill += 1) {
    shipper.start();
    // Somewhere in the next records, a moment that nobody chose.
    const size = archived() + Math.random() * 400 * recordBytes;
    await until(() => archived() > size, 3, times.betweenKillsMs);
    await shipper.kill();
    await killOldest();
    running.push(startNext());
    progress(kill);
  }
  while (running.length > 0) await killOldest();
  const recorded = recordedIn(flows);
  const last = lastOf(recorded);
  checkWhole(recorded, last);
  shipper.start();
  const isBehind = ({ sink }: BenchReceiver): boolean => !hasAcknowledged(sinks, sink.settings.name, last);
  if (!(await until(() => !receivers.some(isBehind), 200, times.catchUpMs))) {
    const names = receivers.filter(isBehind).map(({ sink }) => sink.settings.name);
    process.stderr.write(
      `kills: ${names.join(', ')} not caught up after ${times.catchUpMs / 1000} s: ${JSON.stringify(shipper.health)}\n`,
    );
  }
  await shipper.drain(30_000);
  const rows: KillRow[] = [];
  for (const receiver of receivers) {
    const { name } = receiver.sink.settings;
    const reached = acknowledgedOf(sinks, name);
    const owed = recorded.filter((each) => isWithin(each, reached));
    const seen = new Set<string>();
    let [received, declared] = [0, 0];
    for await (const line of receiver.received()) {
      if (line.includes('"flow-records-missing"')) declared += 1;
      else {
        received += 1;
        seen.add(nameOf(line));
      }
    }
    rows.push({
      receiver: name,
      kills,
      workers_killed: workers,
      records: recorded.length,
      received,
      missing: owed.filter((each) => !seen.has(each)).length,
      behind: recorded.length - owed.length,
      declared_gaps: declared,
      twice: received - seen.size,
    });
  }
  for (const receiver of receivers) await receiver.stop();
  await directories.remove();
  return rows;
}

/** Whatever kills a worker, what it recorded is a sequence from 1 on. */
function checkWhole(recorded: readonly string[], last: ReadonlyMap<string, number>): void {
  const whole = [...last.values()].reduce((total, sequence) => total + sequence, 0);
  if (new Set(recorded).size !== whole || recorded.length !== whole)
    throw new Error(`the spool has ${recorded.length} records of ${whole}`);
}
