import type { Command } from 'commander';
import { ChangeDeviceStateResponse } from '../contract/control-api.ts';
import { addConnection, connectApi } from './api-client.ts';
import type { ConnectionOptions } from './api-client.ts';
import { inForce } from './delete.ts';
import { addOutput, printable, printData } from './output.ts';
import type { OutputFormat } from './output.ts';

const changes = {
  quarantine: { state: 'quarantined', description: 'refuse its flows until it is released' },
  release: { state: 'active', description: 'let a device out of quarantine' },
  revoke: { state: 'revoked', description: 'refuse it for good and cut its flows; it must be enrolled anew' },
  lost: { state: 'lost', description: 'like revoke, for a device that was lost or stolen' },
} as const;

export function registerDevice(program: Command): void {
  const group = program
    .command('device')
    .description('change what a device may do; takes effect on live flows')
    .addHelpText(
      'after',
      `
Examples:
  postern get device                                              which there are
  postern device quarantine d-x2k7… --reason "malware alert"
  postern device release d-x2k7… --reason "reinstalled"
  postern device revoke d-x2k7… --reason "stolen from a car"      final`,
    );
  for (const [name, { state, description }] of Object.entries(changes)) {
    const command = group
      .command(name)
      .description(description)
      .argument('<id>', 'device id, as in `postern get device`')
      .requiredOption('--reason <reason>', 'why; it is kept in the ledger and shown to the SOC');
    addOutput(addConnection(command)).action(
      async (id: string, options: ConnectionOptions & { reason: string; output: OutputFormat }) => {
        const api = await connectApi(options);
        const path = `/v1/devices/${encodeURIComponent(id)}/state`;
        const changed = await api.call('POST', path, ChangeDeviceStateResponse, {
          state,
          reason: options.reason,
        });
        printData(options.output, changed, () => [
          printable(
            `${changed.device.id} of ${changed.device.user} is ${changed.device.state}${inForce(changed)}`,
          ),
        ]);
      },
    );
  }
}
