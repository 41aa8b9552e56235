import { join } from 'node:path';
import { dataDirectory } from '../../../src/contract/data-directory.ts';
import { openSqliteLedger } from '../../../src/ledger/sqlite/sqlite-ledger.ts';
import type { Installation } from '../../control/installation.ts';
import { deviceId } from '../support/organization.ts';
import { median } from '../support/table.ts';
import { rowOf } from '../support/row.ts';
import type { Row } from '../support/row.ts';
import type { Scale } from './scale.ts';
import { administrator, expectOk, serve } from './server.ts';

/**
 * Many administrators, each with a key and a connection of its own, change at once: each puts a group of its own and
 * quarantines a device of its own, turn by turn. Afterwards the ledger is counted: nothing lost, nothing applied twice.
 */
export async function measureAdministrators(installation: Installation, scale: Scale): Promise<Row[]> {
  const server = await serve(installation);
  const owner = administrator({ port: server.controlPort, ...installation });
  const people = await Promise.all(
    Array.from({ length: scale.administrators }, async (_, index) => {
      const name = `administrator-${index}`;
      const created = await expectOk(owner.call('POST', '/v1/api-keys', { name, role: 'security' }));
      const { key } = created as { key: string };
      return administrator({
        port: server.controlPort,
        rootPem: installation.rootPem,
        apiKey: key,
        localAddress: `127.0.1.${index + 1}`,
      });
    }),
  );
  const times: number[] = [];
  const timed = async (change: () => Promise<unknown>): Promise<void> => {
    const before = performance.now();
    await change();
    times.push(performance.now() - before);
  };
  const begin = performance.now();
  await Promise.all(
    people.map(async (person, index) => {
      for (let turn = 0; turn < scale.changesEach; turn += 1)
        await timed(() => expectOk(change(person, index, turn)));
    }),
  );
  const took = (performance.now() - begin) / 1000;
  for (const person of [...people, owner]) person.close();
  await server.stop();
  const expected = scale.administrators * scale.changesEach;
  const counted = await countChanges(installation);
  if (counted !== expected)
    throw new Error(`${expected} changes were answered with yes, and the ledger has ${counted}`);
  const what = `${scale.administrators} administrators at once`;
  return [
    rowOf(
      `${what}: changes a second, none lost or doubled`,
      'administratorChangesPerSecond',
      expected / took,
      '/s',
    ),
    rowOf(
      `${what}: a change, in force on the worker`,
      'administratorChangeMilliseconds',
      median(times),
      'ms',
    ),
  ];
}

const change = (
  person: ReturnType<typeof administrator>,
  index: number,
  turn: number,
): ReturnType<typeof person.call> => {
  if (turn % 2 === 0)
    return person.call('POST', '/v1/apply', {
      resources: [{ kind: 'Group', name: `of-${index}`, members: [`turn-${turn}@example.org`] }],
    });
  return person.call('POST', `/v1/devices/${deviceId(index)}/state`, {
    state: turn % 4 === 1 ? 'quarantined' : 'active',
    reason: `turn ${turn}`,
  });
};

/** Changes of ours in the ledger; one that is there twice is an error. */
async function countChanges({ data }: Pick<Installation, 'data'>): Promise<number> {
  const ledger = openSqliteLedger(join(data, dataDirectory.ledger));
  const seen = new Set<string>();
  try {
    for await (const { actor, data: event } of ledger.read(0)) {
      if (!actor.startsWith('api-key:administrator-')) continue;
      const key = JSON.stringify([actor, event]);
      if (seen.has(key)) throw new Error(`applied twice: ${key}`);
      seen.add(key);
    }
  } finally {
    await ledger.close();
  }
  return seen.size;
}
