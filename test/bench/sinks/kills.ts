import { once } from 'node:events';
import type { ChildProcess } from 'node:child_process';
import { statSync } from 'node:fs';
import { createShipperProcess } from '../../lab/shipper-process.ts';
import { hasAcknowledged, lastOf, makeDirectories, nameOf, recordedIn, startWorker, until } from './lab.ts';
import { archivePath, startReceivers } from './receivers.ts';

export interface KillRow {
  readonly receiver: string;
  readonly kills: number;
  readonly workers: number;
  readonly records: number;
  readonly received: number;
  /** Of those in the spool, at this receiver; gaps that were declared would be records of their own. */
  readonly missing: number;
  readonly declared_gaps: number;
  readonly twice: number;
}

const perSecond = 500;
const recordBytes = 3200;

/** Kills the process of the sinks, and each time one of two workers, at moments that nobody chose. */
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
  const startNext = (): ChildProcess => startWorker(flows, ++workers, perSecond);
  const running = [startNext(), startNext()];
  const killOldest = async (): Promise<void> => {
    const oldest = running.shift();
    if (oldest === undefined) return;
    const exit = once(oldest, 'exit');
    oldest.kill('SIGKILL');
    await exit;
  };
  const archived = (): number => statSync(archive, { throwIfNoEntry: false })?.size ?? 0;
  for (let kill = 0; kill < kills; kill += 1) {
    shipper.start();
    // Somewhere in the next records, a moment that nobody chose.
    const size = archived() + Math.random() * 400 * recordBytes;
    await until(() => archived() > size, 3);
    await shipper.kill();
    await killOldest();
    running.push(startNext());
  }
  while (running.length > 0) await killOldest();
  const recorded = recordedIn(flows);
  const last = lastOf(recorded);
  shipper.start();
  await until(() => receivers.every(({ sink }) => hasAcknowledged(sinks, sink.settings.name, last)), 200);
  await shipper.drain(10_000);
  const rows: KillRow[] = [];
  for (const receiver of receivers) {
    const lines = await receiver.received();
    const names = lines.filter((line) => !line.includes('"flow-records-missing"')).map(nameOf);
    const unique = new Set(names);
    rows.push({
      receiver: receiver.sink.settings.name,
      kills,
      workers,
      records: recorded.length,
      received: names.length,
      missing: recorded.filter((name) => !unique.has(name)).length,
      declared_gaps: lines.length - names.length,
      twice: names.length - unique.size,
    });
  }
  for (const receiver of receivers) await receiver.stop();
  await directories.remove();
  return rows;
}
