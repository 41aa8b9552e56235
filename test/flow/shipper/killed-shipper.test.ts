import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import type { SyslogSinkSettings } from '../../../src/contract/sinks.ts';
import { startOctetReceiver } from '../../lab/servers/octet-receiver.ts';
import { createShipperProcess } from '../../lab/shipper-process.ts';
import { makeFlowDirectory, openRecorder, whenWritten } from '../flow-directory.ts';
import { allowedFacts, answered } from '../samples.ts';
import { eventually, fileSink, makeDirectory } from './shipping.ts';

const kills = 5;
const sizeOf = (path: string): number => statSync(path, { throwIfNoEntry: false })?.size ?? 0;

test('killed at any moment under load, it leaves no receiver without a record', async () => {
  const [flows, sinks] = [makeFlowDirectory(), makeDirectory()];
  const recorder = openRecorder(flows, { segmentBytes: 400_000 });
  const receiver = await startOctetReceiver();
  onTestFinished(() => receiver.stop());
  const syslog: SyslogSinkSettings = {
    name: 'soc',
    type: 'syslog',
    from: 'beginning',
    format: 'ocsf',
    host: '127.0.0.1',
    port: receiver.port,
    facility: 'local0',
    resendSeconds: 1,
  };
  const file = fileSink(sinks, { batch: { maxRecords: 50, maxKilobytes: 128 } });
  const shipper = createShipperProcess({
    recordDirectories: [flows],
    sinkDirectory: sinks,
    sinks: [{ settings: file }, { settings: syslog }],
  });
  onTestFinished(() => shipper.kill());
  let recorded = 0;
  const load = setInterval(() => {
    // As much as keeps it busy, on a slow machine too.
    if (recorded > receiver.messages.length + 1000) return;
    for (let index = 0; index < 20; index += 1) recorder.request(allowedFacts, answered);
    recorded += 20;
  }, 5);
  onTestFinished(() => clearInterval(load));

  for (let round = 0; round < kills; round += 1) {
    const [seen, size] = [receiver.messages.length, sizeOf(file.path)];
    shipper.start();
    // So many more, wherever that leaves it.
    const more = Math.ceil(Math.random() * 300);
    await eventually(() => receiver.messages.length >= seen + more && sizeOf(file.path) > size);
    await shipper.kill();
  }
  clearInterval(load);
  await whenWritten(recorder);
  shipper.start();

  const all = Array.from({ length: recorded }, (_, index) => index + 1);
  const inFile = (): number[] =>
    readFileSync(file.path, 'utf8')
      .split('\n')
      .slice(0, -1)
      .map((line) => (JSON.parse(line) as { metadata: { sequence: number } }).metadata.sequence);
  const inSyslog = (): number[] =>
    receiver.messages.map((message) => Number(/ sequence="(\d+)"/.exec(message)?.[1]));
  const cursor = (name: string): string => readFileSync(join(sinks, `${name}.cursor`), 'utf8');
  for (const [name, sequences] of Object.entries({ archive: inFile, soc: inSyslog })) {
    await eventually(() => cursor(name).includes(`"sequence":${recorded},`));
    expect([...new Set(sequences())].toSorted((a, b) => a - b)).toEqual(all);
  }
  expect(recorded).toBeGreaterThan(500);
}, 90_000);
