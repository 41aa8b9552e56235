import { verifyRecords } from '../../flow/verify-records.ts';
import type { Check } from '../finding.ts';
import { ok, someOf } from '../finding.ts';

const dayMs = 86_400_000;

/** Whether the records of the last day, of flows and of accesses, are whole and what was signed. */
export const flowsCheck: Check = {
  name: 'flow-records',
  limitMs: 20_000,
  async run({ directory, now }) {
    const { files, records, problems } = await verifyRecords(directory, { since: now - dayMs });
    if (problems.length === 0) return ok(`whole: ${records} records in ${files} files of the last day`);
    return [
      {
        level: 'error',
        what: `flow records of the last day are not whole: ${someOf(problems.map(({ file, kind }) => `${file} (${kind})`))}`,
        how: 'postern flows verify shows each place; compare with the copies at the SOC before anything is removed',
      },
    ];
  },
};
