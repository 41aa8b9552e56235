import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { onTestFinished } from 'vitest';
import type { FileSinkSettings, SinkSettings } from '../../../src/contract/sinks.ts';
import type { ResolvedSink } from '../../../src/flow/sinks/resolved-sink.ts';
import { startShipper } from '../../../src/flow/shipper/shipper.ts';
import type { Shipper } from '../../../src/flow/shipper/shipper.ts';

export const origin = { productVersion: '0.1.0', domain: 'example.org' };

export function makeDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'postern-sinks-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

export const fileSink = (directory: string, more: Partial<FileSinkSettings> = {}): FileSinkSettings => ({
  name: 'archive',
  type: 'file',
  from: 'beginning',
  format: 'ocsf',
  path: join(directory, 'records.jsonl'),
  rotateMegabytes: 1000,
  ...more,
});

export interface Shipping extends Shipper {
  /** What it said of each sink that did not deliver. */
  readonly troubles: readonly object[];
}

/** Samples are of a day that is long over. */
export const forCenturies = { flows: 36_500, security: 36_500, administration: 36_500 };

/** A shipper over a spool, in this process. */
export async function ship(
  records: string | readonly string[],
  sinkDirectory: string,
  sinks: readonly (ResolvedSink | SinkSettings)[],
  archiveDirectory = join(sinkDirectory, 'archive'),
): Promise<Shipping> {
  const troubles: object[] = [];
  const shipper = await startShipper({
    recordDirectories: [records].flat(),
    sinkDirectory,
    archiveDirectory,
    gateway: 'gateway.example.org',
    retention: forCenturies,
    sinks: sinks.map((sink) => ('settings' in sink ? sink : { settings: sink })),
    origin,
    bootId: 'boot-of-server',
    log: { info: () => undefined, warn: (facts) => troubles.push(facts) },
  });
  onTestFinished(() => shipper.stop(0));
  return { ...shipper, troubles };
}

/** Looks until it is so; the test's own limit ends it otherwise. */
export async function eventually(isSo: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await isSo())) await pause(10);
}

/** Until every sink's receiver has acknowledged all there is. */
export const delivered = (shipper: Shipper): Promise<void> =>
  eventually(async () => (await shipper.health()).every(({ lagRecords }) => lagRecords === 0));
