import type { Command } from 'commander';
import { detectionsWorker } from '../../flow/spool/chain.ts';
import type { FlowReport } from '../../flow/verify/flow-report.ts';
import { PublicKeysUnusable, verifyRecords } from '../../flow/verify/verify-records.ts';
import { CliError, exitCodes } from '../cli-error.ts';
import { addDataOption, cannotReadRecords, recordData } from './flow-directory.ts';
import { addOutput, printable, printData } from '../terminal/output.ts';
import type { OutputFormat } from '../terminal/output.ts';

interface VerifyFlags {
  readonly data?: string;
  readonly key?: string;
  readonly output: OutputFormat;
}

export function registerFlowsVerify(group: Command): void {
  const command = group
    .command('verify')
    .description('prove that the chains of flow records are whole; exits 1 when they are not')
    .option(
      '--key <file>',
      'public keys of signed checkpoints (PEM), kept elsewhere (default: certs/record-checkpoints.pem in the data directory)',
    );
  addDataOption(addOutput(command))
    .addHelpText(
      'after',
      `
Each worker chains its records by hash and numbers them, and so does the access log; every ten seconds the control process signs how far each chain
is, with a key that no worker can read. Altered, moved and removed records, chains that were written anew, ends that were cut off and missing files
are named, and what was removed because its time was over. It can run while the server writes, and on a copy of the data directory that
holds flows/, kept/, access/ and checkpoints/.

Examples:
  postern flows verify --data /var/lib/postern
  postern flows verify --data ./copy --key ./record-checkpoints.pem`,
    )
    .action(async (flags: VerifyFlags) => {
      const data = await recordData(flags.data);
      let report: FlowReport;
      try {
        report = await verifyRecords(data, flags.key === undefined ? {} : { keyFile: flags.key });
      } catch (error) {
        if (error instanceof PublicKeysUnusable) throw new CliError(exitCodes.invalid, error.message);
        throw cannotReadRecords(data, error);
      }
      printData(flags.output, report, () => reportLines(report));
      if (report.problems.length > 0) process.exitCode = exitCodes.no;
    });
}

const day = (at: number): string => new Date(at).toISOString();

const describeRetirement = ({
  worker,
  bootId,
  startedAt,
  sequence,
  at,
  before,
  by,
  kept,
}: FlowReport['retirements'][number]): string =>
  `removed when their time was over: records up to number ${sequence} of ${nameOf(worker)}, started ${day(startedAt)} (${bootId})${before === undefined ? '' : `, older than ${day(before)}`}${at === undefined ? '' : `, on ${day(at)}`}${by === undefined ? '' : ` by ${by}`}${kept === 0 ? '' : `; ${kept} of them are kept longer`}`;

const nameOf = (worker: number): string =>
  worker === 0 ? 'access log' : worker === detectionsWorker ? 'detections' : `worker ${worker}`;

function reportLines({
  files,
  records,
  streams,
  problems,
  torn,
  silences,
  retirements,
  checkpoints,
}: FlowReport): string[] {
  return [
    ...streams.map(
      ({ worker, bootId, startedAt, records: count, lastSequence, retired, lost }) =>
        `${nameOf(worker)}, started ${new Date(startedAt).toISOString()} (${bootId}): ${count} records, up to number ${lastSequence}${retired === 0 ? '' : `, ${retired} before them removed when their time was over`}${lost === 0 ? '' : `, ${lost} given up while the disk took none`}`,
    ),
    ...retirements.map(describeRetirement),
    ...checkpoints.map(
      ({ records: of, first, last, at, hash }) =>
        `checkpoints of ${of === 'flows' ? 'flows' : 'the access log'}: ${first} to ${last}, the last one signed on ${new Date(at).toISOString()} (${hash})`,
    ),
    ...(checkpoints.length === 0
      ? ['note: no signed checkpoints: a chain that was written anew as a whole would not be seen']
      : []),
    ...torn.map(
      ({ worker, file, line }) =>
        `note: ${file}:${line}: the process of ${nameOf(worker)} was killed while it wrote this line; nobody was told that it was written`,
    ),
    ...silences.map(
      ({ worker, file, from, to }) =>
        `note: ${file}: ${nameOf(worker)} recorded nothing from ${new Date(from).toISOString()} to ${new Date(to).toISOString()}, not even that it lives: it stood still, or its clock was changed`,
    ),
    ...problems.map(
      ({ kind, file, line, message }) =>
        `${kind}: ${line === undefined ? file : `${file}:${line}`}: ${message}`,
    ),
    problems.length === 0
      ? `Whole: ${records} records in ${files} files.`
      : `NOT whole: ${problems.length} problem(s) in ${records} records of ${files} files.`,
  ].map(printable);
}
