import type { Command } from 'commander';
import { DevicePosture } from '../contract/posture.ts';
import { criterionMeanings, postureCriteria, postureFactNames } from '../domain/posture.ts';
import { addConnection, connectApi } from './api-client.ts';
import type { ConnectionOptions } from './api-client.ts';
import { addOutput, formatTime, printable, printData, tableLines } from './output.ts';
import type { OutputFormat } from './output.ts';

/** `postern device posture ID`: what a laptop last said of itself, with why. */
export function registerDevicePosture(group: Command): void {
  const command = group
    .command('posture')
    .description('what a device last reported of itself, and why each check says so; kept for a day')
    .argument('<id>', 'device id, as in `postern device list`')
    .addHelpText('after', '\nExample:\n  postern device posture d-x2k7…');
  addOutput(addConnection(command)).action(
    async (id: string, options: ConnectionOptions & { output: OutputFormat }) => {
      const api = await connectApi(options);
      const path = `/v1/devices/${encodeURIComponent(id)}/posture`;
      const posture = await api.call('GET', path, DevicePosture);
      printData(options.output, posture, () => postureLines(posture));
    },
  );
}

export const postureLines = (posture: DevicePosture): string[] => [
  `${'measured'.padEnd(14)} ${formatTime(posture.measuredAt)}`,
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
