import { Option } from 'commander';
import type { Command } from 'commander';
import {
  ChangeDeviceStateResponse,
  DeviceHistory,
  DeviceView,
  ListDevicesResponse,
} from '../contract/control-api.ts';
import { deviceStates } from '../domain/device.ts';
import { addConnection, connectApi, listAll } from './api-client.ts';
import type { ConnectionOptions } from './api-client.ts';
import { inForce } from './delete.ts';
import { registerDeviceBundle } from './devices/device-bundle.ts';
import { registerDevicePosture } from './devices/device-posture.ts';
import { deviceLines, deviceStory } from './devices/device-lines.ts';
import { addOutput, printable, printData } from './terminal/output.ts';
import type { OutputFormat } from './terminal/output.ts';

const changes = {
  quarantine: {
    state: 'quarantined',
    description: 'let it reach only what policies open to quarantined devices, until it is released',
  },
  release: { state: 'active', description: 'let a device out of quarantine' },
  revoke: { state: 'revoked', description: 'refuse it for good and cut its flows; it must be enrolled anew' },
  lost: {
    state: 'lost',
    description:
      'like revoke, for a device that was lost or stolen: whatever it asks from then on raises an alert',
  },
} as const;

export function registerDevice(program: Command): void {
  const group = program
    .command('device')
    .description('look at devices, and change what one may do; takes effect on live flows')
    .addHelpText(
      'after',
      `
Examples:
  postern device list --state quarantined                         which there are
  postern device show d-x2k7…                                     its certificates and its life
  postern device posture d-x2k7…                                  what it said of itself, and why
  postern device posture d-x2k7… --now                            asks it to measure itself now
  postern device quarantine d-x2k7… --reason "malware alert"
  postern device release d-x2k7… --reason "reinstalled"
  postern device revoke d-x2k7… --reason "left the organization"  final
  postern device lost d-x2k7… --reason "stolen from a car"        final, with an alert when it turns up`,
    );
  registerList(group);
  registerShow(group);
  registerDevicePosture(group);
  registerDeviceBundle(group);
  for (const [name, { state, description }] of Object.entries(changes)) {
    const command = group
      .command(name)
      .description(description)
      .argument('<id>', 'device id, as in `postern device list`')
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

function registerList(group: Command): void {
  const command = group
    .command('list')
    .description('the devices, one a line')
    .addOption(new Option('--state <state>', 'those in this state').choices(deviceStates))
    .option('--user <user>', 'those of this user');
  addOutput(addConnection(command)).action(
    async (options: ConnectionOptions & { state?: string; user?: string; output: OutputFormat }) => {
      const api = await connectApi(options);
      const wanted = {
        ...(options.state === undefined ? {} : { state: options.state }),
        ...(options.user === undefined ? {} : { user: options.user }),
      };
      const devices = await listAll(async (query) => {
        const path = `/v1/devices${query}`;
        const { devices: items, ...next } = await api.call('GET', path, ListDevicesResponse);
        return { items, ...next };
      }, wanted);
      printData(options.output, devices, () =>
        devices.length === 0 ? ['There are none.'] : deviceLines(devices),
      );
    },
  );
}

function registerShow(group: Command): void {
  const command = group
    .command('show')
    .description('one device: facts, certificates, and each change of its state in order')
    .argument('<id>', 'device id, as in `postern device list`');
  addOutput(addConnection(command)).action(
    async (id: string, options: ConnectionOptions & { output: OutputFormat }) => {
      const api = await connectApi(options);
      const path = `/v1/devices/${encodeURIComponent(id)}`;
      const device = await api.call('GET', path, DeviceView);
      const history = await api.call('GET', `${path}/history`, DeviceHistory);
      printData(options.output, { ...device, ...history }, () => deviceStory(device, history));
    },
  );
}
