import { Option } from 'commander';
import type { Command } from 'commander';
import { CreateEnrollmentTokenResponse } from '../../contract/control-api.ts';
import { deviceRoles } from '../../domain/device.ts';
import type { DeviceRole } from '../../domain/device.ts';
import { addConnection, connectApi } from '../api-client.ts';
import type { ConnectionOptions } from '../api-client.ts';
import { parseDuration } from '../duration.ts';
import { addOutput, formatTime, printable, printData } from '../terminal/output.ts';
import type { OutputFormat } from '../terminal/output.ts';

interface CreateOptions extends ConnectionOptions {
  readonly user: string;
  readonly ttl?: number;
  readonly role: DeviceRole;
  readonly network?: string;
  readonly scep?: true;
  readonly output: OutputFormat;
}

export function registerEnrollToken(program: Command): void {
  const group = program.command('enroll-token').description('one-time tokens that let a device enroll');
  const command = group
    .command('create')
    .description('make one; only its hash is stored, so it cannot be shown again')
    .requiredOption('--user <user>', 'who the device is for; of a machine or connector, who answers for it')
    .option('--ttl <duration>', 'how long it may be used: 90s, 15m, 24h, 7d (default: 24h)', parseDuration)
    .addOption(new Option('--role <role>', 'what enrolls').choices(deviceRoles).default('laptop'))
    .option('--network <network>', 'the private network that a connector serves')
    .option('--scep', 'the challenge for a device that enrolls by SCEP instead');
  addOutput(addConnection(command))
    .addHelpText(
      'after',
      `
Examples:
  postern enroll-token create --user alice@example.org
  postern enroll-token create --user alice@example.org --ttl 15m -o json
  postern enroll-token create --user buildings@example.org --role machine
  postern enroll-token create --user alice@example.org --scep
  postern enroll-token create --user ops@example.org --role connector --network finance`,
    )
    .action(async ({ user, ttl, role, network, scep, output, ...connection }: CreateOptions) => {
      const api = await connectApi(connection);
      const created = await api.call('POST', '/v1/enrollment-tokens', CreateEnrollmentTokenResponse, {
        user,
        role,
        ...(ttl === undefined ? {} : { ttlSeconds: ttl }),
        ...(network === undefined ? {} : { network }),
        ...(scep === undefined ? {} : { protocol: 'scep' }),
      });
      printData(output, created, () => [
        created.token,
        '',
        `For ${printable(created.user)}, once, until ${formatTime(created.expiresAt)}. ${
          scep === undefined ? `On the ${role}:` : 'It is the challenge in the SCEP profile, whose URL is:'
        }`,
        scep === undefined
          ? `  postern-agent enroll ${api.server} ${created.token}`
          : `  ${api.server}/v1/scep`,
      ]);
    });
}
