import { verifyRecords } from '../../flow/verify/verify-records.ts';
import type { FlowReport } from '../../flow/verify/flow-report.ts';
import type { DoctorFacts } from '../facts.ts';
import type { Check, Finding } from '../finding.ts';
import { ok, someOf } from '../finding.ts';

const dayMs = 86_400_000;
/** A server signs once a minute at least, whatever is recorded. */
const longestUnsignedMs = 180_000;

/** Whether the records of the last day, of flows and of accesses, are whole and what was signed. */
export const flowsCheck: Check = {
  name: 'flow-records',
  limitMs: 20_000,
  async run(facts) {
    const report = await verifyRecords(facts.directory, { since: facts.now - dayMs });
    const { files, records, problems } = report;
    const unsigned = findUnsigned(facts, report);
    if (problems.length === 0)
      return unsigned.length > 0
        ? unsigned
        : ok(`whole: ${records} records in ${files} files of the last day`);
    return [
      {
        level: 'error',
        what: `flow records of the last day are not whole: ${someOf(problems.map(({ file, kind }) => `${file} (${kind})`))}`,
        how: 'postern flows verify shows each place; compare with the copies at the SOC before anything is removed',
      },
      ...unsigned,
    ];
  },
};

/** While a server runs and signs nothing, whoever takes a worker over can write its records anew. */
function findUnsigned({ now, server }: DoctorFacts, { checkpoints }: FlowReport): readonly Finding[] {
  if (server === undefined) return [];
  const late = checkpoints.filter(({ at }) => now - at > longestUnsignedMs);
  const since = late.map(({ records, at }) => `${records} since ${new Date(at).toISOString()}`);
  if (since.length === 0) return [];
  return [
    {
      level: 'error',
      what: `the server runs, and signs no checkpoints of its records: ${someOf(since)}`,
      how: 'see its log for `checkpoint of records not signed`; docs/record-proof.md says what they are for',
    },
  ];
}
