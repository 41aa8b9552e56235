import { parseArgs } from 'node:util';
import { hasRedis, startRedis } from '../lab/servers/redis.ts';
import { makeInstallation } from '../control/installation.ts';
import type { Installation } from '../control/installation.ts';
import { measureAdministrators } from './control/administrators.ts';
import { measureApply } from './control/apply.ts';
import { measureDecisions, measureReplay } from './control/decisions.ts';
import { measureRevocation } from './control/revocation.ts';
import type { Scale } from './control/scale.ts';
import { fillLedger, measureStart } from './control/start.ts';
import { reportRows } from './support/row.ts';
import type { Row } from './support/row.ts';

/**
 * The control plane of an organization with 150 applications in 123 networks, 5,000 policies, 10,000 devices and 30,000
 * users: `npm run bench:control -- [--quick] [--json FILE] [--only start|apply|administrators|decisions|replay|revocation]`.
 * Each figure stands beside its mark.
 *
 * Servers are real ones, started as an operator does, on all cores of the machine; figures are wall time, so that
 * a machine that does other work shows. Decisions and replay have one core, and decisions are CPU time.
 */
const { values: flags } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    json: { type: 'string' },
    only: { type: 'string', multiple: true },
  },
});
const scale: Scale = flags.quick
  ? {
      ledgerEvents: 200_000,
      starts: 1,
      changes: 5,
      administrators: 100,
      changesEach: 4,
      revocations: 3,
      tunnels: 1000,
    }
  : {
      ledgerEvents: 1_000_000,
      starts: 3,
      changes: 25,
      administrators: 100,
      changesEach: 10,
      revocations: 10,
      tunnels: 1000,
    };

async function withInstallation<Value>(work: (installation: Installation) => Promise<Value>): Promise<Value> {
  const installation = await makeInstallation();
  try {
    return await work(installation);
  } finally {
    await installation.remove();
  }
}

const parts: Readonly<Record<string, () => Promise<Row[]>>> = {
  start: () =>
    withInstallation(async (installation) => {
      const events = await fillLedger(installation, { events: scale.ledgerEvents, resources: true });
      console.log(`A ledger of ${events.toLocaleString('en')} events.`);
      return measureStart(installation, scale.starts);
    }),
  apply: () =>
    withInstallation(async (installation) => {
      await fillLedger(installation, { resources: false });
      return measureApply(installation, scale);
    }),
  administrators: () =>
    withInstallation(async (installation) => {
      await fillLedger(installation, { resources: true });
      return measureAdministrators(installation, scale);
    }),
  decisions: () => measureDecisions(flags.quick),
  replay: () => measureReplay(flags.quick),
  revocation: () => revocation(),
};

const revocation = async (): Promise<Row[]> => {
  if (!hasRedis) {
    console.log('Not measured, since redis-server was not found: apt-get install redis-server');
    return [];
  }
  const redis = await startRedis({ settings: ['appendonly yes', 'appendfsync always'] });
  try {
    return await withInstallation((installation) =>
      measureRevocation(installation, `redis://127.0.0.1:${redis.port}`, scale),
    );
  } finally {
    await redis.stop();
  }
};

const rows: Row[] = [];
for (const [name, measure] of Object.entries(parts)) {
  if (flags.only !== undefined && !flags.only.includes(name)) continue;
  console.log(`Measuring: ${name}`);
  rows.push(...(await measure()));
}
reportRows(rows, flags.json);
