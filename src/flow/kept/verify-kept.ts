import { join } from 'node:path';
import type { FlowStream } from '../spool/chain.ts';
import type { FlowProblem } from '../verify/flow-report.ts';
import type { KeptFiles } from '../spool/retired.ts';
import type { ListedKept } from './list-kept.ts';
import { keptHash, keptName, readKeptHeader } from './kept-file.ts';

/**
 * Holds the kept records of one chain against what was signed of them: each file names the one before, and the signature
 * has the hash of the last. What a kill left behind, before the first or behind the last, is no part of it.
 * @throws what the file system throws
 */
export async function verifyKept(
  directory: string,
  stream: FlowStream,
  files: readonly ListedKept[],
  kept: KeptFiles,
): Promise<{ readonly records: number; readonly problems: readonly FlowProblem[] }> {
  const problems: FlowProblem[] = [];
  let records = 0;
  let before = { hash: kept.previous, file: '' };
  const signed = files.filter(({ segment }) => segment >= kept.oldest && segment <= kept.newest);
  const problem = (kind: FlowProblem['kind'], file: string, message: string): void => {
    problems.push({ kind, worker: stream.worker, file, message });
  };
  for (const { name, segment } of signed) {
    const header = await readKeptHeader(join(directory, name));
    if (header?.segment !== segment)
      problem('malformed', name, 'does not say what was kept of which segment');
    else if (header.previous !== before.hash)
      problem(
        before.file === '' ? 'segment-missing' : 'edited',
        before.file === '' ? name : before.file,
        before.file === ''
          ? 'kept records before it are not there'
          : `is not what ${name} vouches for, or one between them is not there`,
      );
    records += header?.records ?? 0;
    before = { hash: await keptHash(join(directory, name)), file: name };
  }
  if (signed.at(-1)?.segment !== kept.newest)
    problem('segment-missing', keptName(stream, kept.newest), 'records that were kept are not there');
  else if (before.hash !== kept.hash) problem('edited', before.file, 'is not what was signed');
  return { records, problems };
}
