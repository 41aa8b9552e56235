import { join } from 'node:path';
import { dataDirectory } from '../../../src/contract/data-directory.ts';
import type { ControlEvent } from '../../../src/domain/events.ts';
import { openSqliteLedger } from '../../../src/ledger/sqlite/sqlite-ledger.ts';
import { openLedgerStore } from '../../../src/ledger/store.ts';
import type { Installation } from '../../control/installation.ts';
import {
  certificateOf,
  deviceId,
  enrollmentEvents,
  fullSize,
  organizationResources,
} from '../support/organization.ts';
import { residentBytes } from '../support/processes.ts';
import { median } from '../support/table.ts';
import { rowOf } from '../support/row.ts';
import type { Row } from '../support/row.ts';
import { proportionalBytes, serve } from './server.ts';

const weekSeconds = 7 * 86_400;

/**
 * Fills the ledger as years would: laptops that enroll, resources if wanted, and a renewal of every certificate each
 * week up to so many events. Leaves a snapshot, as a server that stops does.
 */
export async function fillLedger(
  { data }: Pick<Installation, 'data'>,
  options: { readonly events?: number; readonly resources: boolean },
): Promise<number> {
  const { events = 0, resources } = options;
  const weeks = Math.ceil(events / fullSize.devices) + 1;
  let now = Math.floor(Date.now() / 1000) - weeks * weekSeconds;
  const path = join(data, dataDirectory.ledger);
  const ledger = openSqliteLedger(path, { now: () => now * 1000 });
  const store = await openLedgerStore(ledger, {
    snapshotPath: `${path}.snapshot`,
    snapshotEvery: Number.MAX_SAFE_INTEGER,
  });
  const append = async (batch: readonly ControlEvent[]): Promise<void> => {
    for (let from = 0; from < batch.length; from += 5000) {
      const part = batch.slice(from, from + 5000);
      const done = await store.commit('postern:bench', () => ({ events: part, value: true }));
      if (done !== true) throw new Error(`not appended: ${JSON.stringify(done)}`);
    }
  };
  const indexes = Array.from({ length: fullSize.devices }, (_, index) => index);
  const validUntil = (): number => now + weekSeconds + 3600;
  await append(indexes.flatMap((index) => enrollmentEvents(index, validUntil())));
  if (resources)
    await append(
      organizationResources(fullSize).map((resource) => ({ type: 'resource-put', resource }) as const),
    );
  for (let week = 1; store.state.head.sequence < events; week += 1) {
    now += weekSeconds;
    await append(
      indexes.map((index) => ({
        type: 'device-certificate-renewed',
        device: deviceId(index),
        certificate: certificateOf(index, week, validUntil()),
      })),
    );
  }
  const { sequence } = store.state.head;
  await store.close();
  return sequence;
}

/** From `postern serve` to its line `ready`, of a server that has all of the organization and its history. */
export async function measureStart(installation: Installation, starts: number): Promise<Row[]> {
  const seconds: number[] = [];
  const resident: number[] = [];
  const proportional: number[] = [];
  for (let index = 0; index < starts; index += 1) {
    const server = await serve(installation);
    seconds.push(server.readyMs / 1000);
    resident.push(residentBytes(server.pids()) / 1e6);
    proportional.push(proportionalBytes(server.pids()) / 1e6);
    await server.stop();
  }
  return [
    rowOf('start of gateway and control plane, one worker', 'startSeconds', median(seconds), 's', 5),
    rowOf(
      'memory of all their processes, shared pages once',
      'startMegabytes',
      median(proportional),
      'MB',
      600,
    ),
    rowOf('the same, shared pages as often as shared', 'startResidentMegabytes', median(resident), 'MB'),
  ];
}
