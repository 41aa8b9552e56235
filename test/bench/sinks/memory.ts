import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { createShipperProcess } from '../../lab/shipper-process.ts';
import { makeDirectories, startWorker } from './lab.ts';
import { syslogSettings } from './receivers.ts';

export interface MemoryRow {
  readonly receiver: string;
  readonly records_waiting: number;
  readonly spool_megabytes: number;
  readonly resident_megabytes: number;
}

const residentMegabytes = (pid: number | undefined): number =>
  Math.round(Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024);

/** The same spool before a receiver that takes all of it, and one that accepts and never reads. */
export async function measureMemory(records: number): Promise<MemoryRow[]> {
  const directories = makeDirectories();
  const { flows, sinks } = directories;
  const sockets = new Set<Socket>();
  const listen = async (isReading: boolean): Promise<number> => {
    const server = createServer((socket) => {
      sockets.add(socket.on('error', () => undefined));
      if (isReading) socket.resume();
      else socket.pause();
    });
    server.listen(0, '127.0.0.1').unref();
    await once(server, 'listening');
    return (server.address() as AddressInfo).port;
  };
  const rows: MemoryRow[] = [];
  const measure = async (receiver: string, isReading: boolean, spooled: number): Promise<void> => {
    const settings = {
      ...syslogSettings(receiver.replaceAll(' ', '-'), await listen(isReading)),
      resendSeconds: 3600,
    };
    const shipper = createShipperProcess({
      recordDirectories: [flows],
      sinkDirectory: sinks,
      sinks: [{ settings }],
    });
    shipper.start();
    let peak = 0;
    // Longer than it takes to fill what there is to fill.
    for (const end = performance.now() + 8000; performance.now() < end; await pause(50))
      peak = Math.max(peak, residentMegabytes(shipper.pid));
    rows.push({
      receiver,
      records_waiting: shipper.health?.[0]?.lagRecords ?? 0,
      spool_megabytes: Math.round((spooled * 3.2) / 1024),
      resident_megabytes: peak,
    });
    await shipper.kill();
  };
  const few = startWorker(flows, 1, 1000, 10);
  await once(few, 'exit');
  await measure('nothing to do', true, 10);
  const many = startWorker(flows, 2, 20_000, records);
  await once(many, 'exit');
  await measure('reads', true, records);
  await measure('never reads', false, records);
  for (const socket of sockets) socket.destroy();
  await directories.remove();
  return rows;
}
