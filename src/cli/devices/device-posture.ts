import { InvalidArgumentError, Option } from 'commander';
import type { Command } from 'commander';
import { AskPostureResponse, DevicePosture, maxPostureWaitSeconds } from '../../contract/posture.ts';
import { criterionMeanings, postureCriteria, postureFactNames } from '../../domain/posture.ts';
import { addConnection, connectApi } from '../api-client.ts';
import type { ConnectionOptions } from '../api-client.ts';
import { exitCodes } from '../cli-error.ts';
import { addOutput, formatTime, printable, printData, tableLines } from '../terminal/output.ts';
import type { OutputFormat } from '../terminal/output.ts';

/** `postern device posture ID [--now]`: what a laptop last said of itself, or says now, with why. */
export function registerDevicePosture(group: Command): void {
  const command = group
    .command('posture')
    .description('what a device last reported of itself, and why each check says so; kept for a day')
    .argument('<id>', 'device id, as in `postern device list`')
    .option('--now', 'ask the device to measure itself now; exit code 1 when it does not answer')
    .addOption(
      new Option('--wait <seconds>', 'with --now: for the answer, 30 at most')
        .default(10)
        .argParser(parseWait),
    )
    .addHelpText(
      'after',
      '\nExamples:\n  postern device posture d-x2k7…\n  postern device posture d-x2k7… --now',
    );
  addOutput(addConnection(command)).action(
    async (id: string, options: ConnectionOptions & { now?: true; wait: number; output: OutputFormat }) => {
      const api = await connectApi(options);
      const path = `/v1/devices/${encodeURIComponent(id)}/posture`;
      if (options.now === true) {
        const asked = await api.call('POST', path, AskPostureResponse, { waitSeconds: options.wait });
        printData(options.output, asked, () => askedLines(asked, options.wait));
        if (!asked.answered) process.exitCode = exitCodes.no;
        return;
      }
      const posture = await api.call('GET', path, DevicePosture);
      printData(options.output, posture, () => postureLines(posture));
    },
  );
}

function parseWait(text: string): number {
  const seconds = Number(text);
  if (/^\d{1,2}$/.test(text) && seconds <= maxPostureWaitSeconds) return seconds;
  throw new InvalidArgumentError(`a whole number of seconds from 0 to ${maxPostureWaitSeconds}, please`);
}

/** What came of asking, and below it the posture that is known. */
export function askedLines(
  { answered, answeredInMs = 0, posture }: AskPostureResponse,
  waitSeconds: number,
): string[] {
  const line = answered
    ? `The device answered in ${(answeredInMs / 1000).toFixed(1)} s.`
    : `No answer within ${waitSeconds} s: it is off, asleep, or has no session. ` +
      (posture === undefined ? 'It has reported nothing for a day.' : 'What it said before:');
  return posture === undefined ? [line] : [line, '', ...postureLines(posture)];
}

export const postureLines = (posture: DevicePosture): string[] => [
  `${'measured'.padEnd(14)} ${formatTime(posture.measuredAt)}`,
  ...(posture.reportedAt === undefined ? [] : [`${'reported'.padEnd(14)} ${formatTime(posture.reportedAt)}`]),
  ...postureFactNames.map((name) => `${name.padEnd(14)} ${printable(posture[name] ?? '')}`.trimEnd()),
  '',
  ...tableLines(
    ['CRITERION', 'VALUE', 'WHY', 'TRUE SAYS'],
    postureCriteria.map((name) => [
      name,
      String(posture.checks[name]),
      posture.reasons[name] ?? '',
      criterionMeanings[name],
    ]),
  ),
];
