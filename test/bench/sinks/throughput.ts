import { once } from 'node:events';
import { createShipperProcess } from '../../lab/shipper-process.ts';
import { acknowledgedOf, hasAcknowledged, makeDirectories, startWorker, until } from './lab.ts';
import { fileReceiver, startReceivers } from './receivers.ts';

export interface ThroughputRow {
  readonly sink: string;
  readonly records_per_second: number;
}

/** What was delivered by then is the figure. */
const mostMs = 30_000;

/** One sink after the other; the start of the process is not counted. */
export async function measureThroughput(records: number): Promise<ThroughputRow[]> {
  const directories = makeDirectories();
  const { flows, sinks, root } = directories;
  const worker = startWorker(flows, 1, 20_000, records);
  await once(worker, 'exit');
  const receivers = [...(await startReceivers(root)), fileReceiver(root, 'ecs'), fileReceiver(root, 'cef')];
  const rows: ThroughputRow[] = [];
  for (const { sink } of receivers) {
    const { name } = sink.settings;
    const shipper = createShipperProcess({ recordDirectories: [flows], sinkDirectory: sinks, sinks: [sink] });
    shipper.start();
    await until(() => hasAcknowledged(sinks, name, new Map()), 5, mostMs);
    const began = performance.now();
    await until(() => hasAcknowledged(sinks, name, new Map([['1', records]])), 5, mostMs);
    const done = acknowledgedOf(sinks, name)?.get('1') ?? 0;
    rows.push({ sink: name, records_per_second: Math.round((done / (performance.now() - began)) * 1000) });
    await shipper.drain(5000);
  }
  for (const receiver of receivers) await receiver.stop();
  await directories.remove();
  return rows;
}
