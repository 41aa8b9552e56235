import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { VouchedStream } from '../checkpoints/read-checkpoints.ts';
import type { FlowProblem, Retirement } from './flow-report.ts';
import { listKept } from '../kept/list-kept.ts';
import { verifyKept } from '../kept/verify-kept.ts';
import { parseHeadName, segmentName } from '../spool/segment-names.ts';

/** What was removed because its time was over, as it was signed, and whether what is kept of it is what was put aside. */
export async function verifyRetired(
  streams: ReadonlyMap<string, VouchedStream>,
  directory: string,
  keptDirectory: string | undefined,
): Promise<{ readonly retirements: readonly Retirement[]; readonly problems: readonly FlowProblem[] }> {
  const retirements: Retirement[] = [];
  const problems: FlowProblem[] = [];
  const listed: Awaited<ReturnType<typeof listKept>> =
    keptDirectory === undefined ? new Map() : await listKept(keptDirectory);
  for (const [name, { retired }] of streams) {
    const stream = parseHeadName(`${name}.head`);
    if (retired === undefined || stream === undefined) continue;
    const { sequence, at, before, by, kept } = retired;
    const verified =
      kept === undefined || keptDirectory === undefined
        ? { records: 0, problems: [] }
        : await verifyKept(keptDirectory, stream, listed.get(name) ?? [], kept);
    problems.push(...verified.problems);
    retirements.push({ ...stream, sequence, at, before, by, kept: verified.records });
  }
  for (const [name, files] of listed)
    for (const file of files) {
      const newest = streams.get(name)?.retired?.kept?.newest ?? 0;
      // Put aside, and killed before it was signed: its segment is still there.
      if (file.segment <= newest || existsSync(join(directory, segmentName(file.stream, file.segment))))
        continue;
      problems.push({
        kind: 'unvouched',
        worker: file.stream.worker,
        file: file.name,
        message: 'no checkpoint knows that records were kept here',
      });
    }
  return { retirements, problems };
}
