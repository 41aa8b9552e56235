import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { readRecords } from '../../flow/read/read-records.ts';
import { parseSegmentName } from '../../flow/spool/segment-names.ts';
import type { Check } from './checks.ts';
import type { Stage } from './stage.ts';

/** As much of a flow record as the demo looks at. */
interface SeenRecord {
  readonly class_uid: number;
  readonly activity_name: string;
  readonly status_code?: string;
  readonly actor?: { readonly user?: { readonly name?: string } };
  readonly user?: { readonly name?: string };
  readonly dst_endpoint?: { readonly ip?: string; readonly svc_name?: string };
}

async function readAll(stage: Stage): Promise<SeenRecord[]> {
  const directory = join(stage.dataDirectory, 'flows');
  const seen: SeenRecord[] = [];
  for (const name of await readdir(directory)) {
    if (parseSegmentName(name) === undefined) continue;
    for await (const stored of readRecords(join(directory, name)))
      if (stored !== 'unreadable') seen.push(stored.record as unknown as SeenRecord);
  }
  return seen;
}

const userOf = (record: SeenRecord): string | undefined => record.actor?.user?.name ?? record.user?.name;

/** What has to be on record after the checks before: each with how many of it at least. */
const expected: readonly (readonly [what: string, matches: (record: SeenRecord, stage: Stage) => boolean])[] =
  [
    [
      "alice's request",
      (record, { alice }) =>
        record.class_uid === 4002 && record.status_code === undefined && userOf(record) === alice.user,
    ],
    ["bob's refusal", (record, { bob }) => record.status_code === 'denied' && userOf(record) === bob.user],
    [
      "bob's tunnel",
      (record, { bob }) =>
        record.class_uid === 4001 && record.activity_name === 'Open' && userOf(record) === bob.user,
    ],
    [
      'the laptop without a certificate',
      (record) => record.class_uid === 3002 && record.status_code === 'certificate-missing',
    ],
    ['the stolen token', (record) => record.status_code === 'token-bound-elsewhere'],
    [
      'the tunnel that was cut',
      (record) =>
        record.class_uid === 4001 &&
        record.activity_name === 'Close' &&
        record.status_code === 'device-revoked' &&
        record.dst_endpoint?.svc_name === 'payroll',
    ],
    [
      'the WebSocket that was cut',
      (record) =>
        record.class_uid === 4001 &&
        record.activity_name === 'Close' &&
        record.status_code === 'device-revoked' &&
        record.dst_endpoint?.svc_name === 'grants',
    ],
    [
      'the refused handshake of the revoked laptop',
      (record) => record.class_uid === 3002 && record.status_code === 'device-revoked',
    ],
  ];

export function flowRecordChecks(): readonly Check[] {
  return [
    {
      title: 'each of these is on record',
      async see(stage) {
        const records = await readAll(stage);
        const missing = expected.filter(([, matches]) => !records.some((record) => matches(record, stage)));
        if (missing.length > 0) throw new Error(`not on record: ${missing.map(([what]) => what).join(', ')}`);
        return `${expected.length} kinds among ${records.length} records`;
      },
    },
    {
      title: 'the flow records are whole: none missing, none altered',
      async see({ runner, dataDirectory }) {
        const printed = await runner.run('postern', ['flows', 'verify', '--data', dataDirectory]);
        return printed.trim().split('\n').at(-1) ?? '';
      },
    },
  ];
}
