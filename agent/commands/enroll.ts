import { Option } from 'commander';
import type { Command } from 'commander';
import { enrollDevice } from '../enrollment/enroll.ts';
import { keyPlaces } from '../keys/new-key.ts';
import type { KeyPlace } from '../keys/new-key.ts';
import { message } from '../messages.ts';
import { parsePort, enterState, stateOption } from './command-context.ts';
import type { CommandContext } from './command-context.ts';

interface Options {
  readonly state?: string;
  readonly force: boolean;
  readonly key: KeyPlace;
  readonly proxyPort?: number;
}

/** `postern-agent enroll URL TOKEN` */
export function addEnrollCommand(program: Command, context: CommandContext): void {
  program
    .command('enroll')
    .description('pin the authority of the token, make a key that never leaves, get a certificate')
    .argument('<url>', 'control plane, such as https://control.example.org:8444')
    .argument('<token>', 'one-time enrollment token from the security team')
    .option(...stateOption)
    .option('--force', 'enroll anew where the laptop is enrolled already', false)
    .addOption(
      new Option(
        '--key <place>',
        'where the key lies: in the TPM, in a file, or auto: in the TPM where one is usable',
      )
        .choices(keyPlaces)
        .default('auto'),
    )
    .option('--proxy-port <port>', 'port of the local proxy, kept in agent.yaml', parsePort)
    .addHelpText(
      'after',
      '\nExamples:\n  postern-agent enroll https://control.example.org:8444 TOKEN' +
        '\n  postern-agent enroll --key tpm https://control.example.org:8444 TOKEN',
    )
    .action(async (url: string, token: string, options: Options) => {
      const { settings, isKeyInTpm } = await enrollDevice({
        url,
        token,
        directory: enterState(context, options.state),
        force: options.force,
        key: options.key,
        ...(options.proxyPort === undefined ? {} : { chosen: { proxyPort: options.proxyPort } }),
        clock: context.clock,
      });
      context.print(message(context.language, 'enrolled', { device: settings.device, user: settings.user }));
      if (isKeyInTpm) context.print(message(context.language, 'key-in-tpm'));
    });
}
