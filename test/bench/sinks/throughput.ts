import { once } from 'node:events';
import { createShipperProcess } from '../../lab/shipper-process.ts';
import { hasAcknowledged, makeDirectories, startWorker, until } from './lab.ts';
import { fileReceiver, startReceivers } from './receivers.ts';

export interface ThroughputRow {
  readonly sink: string;
  readonly records_per_second: number;
}

const mostMs = 60_000;

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
    const isDone = await until(() => hasAcknowledged(sinks, name, new Map([['1', records]])), 5, mostMs);
    if (!isDone) process.stderr.write(`throughput: ${name} not done after ${mostMs / 1000} s\n`);
    const perSecond = isDone ? Math.round((records / (performance.now() - began)) * 1000) : 0;
    rows.push({ sink: name, records_per_second: perSecond });
    await shipper.drain(5000);
  }
  for (const receiver of receivers) await receiver.stop();
  await directories.remove();
  return rows;
}
