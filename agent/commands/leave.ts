import type { Command } from 'commander';
import { tellLeaving } from '../enrollment/tell-leaving.ts';
import { leaveFirewall } from '../firewall/leave-firewall.ts';
import { actAsOwner } from '../state/act-as-owner.ts';
import { forgetDevice, forgetWord } from '../state/forget-device.ts';
import { restartWithTpm } from '../keys/restart-with-tpm.ts';
import { checkStateDirectory } from '../state/state-directory.ts';
import { message } from '../messages.ts';
import { stateDirectoryOf, stateOption } from './command-context.ts';
import type { CommandContext } from './command-context.ts';

/** `postern-agent leave`: the laptop forgets the device that it was. */
export function addLeaveCommand(program: Command, context: CommandContext): void {
  program
    .command('leave')
    .description('stop the agent, have the device revoked, delete key, certificate and tokens')
    .option(...stateOption)
    .addHelpText('after', '\nExample:\n  postern-agent leave')
    .action(async (options: { readonly state?: string }) => {
      const directory = stateDirectoryOf(context, options.state);
      const asRootAgain = actAsOwner(directory);
      // A TPM that is away is no reason to stay: the control plane is not told then.
      await restartWithTpm(checkStateDirectory(directory), asRootAgain).catch(() => undefined);
      actAsOwner(directory);
      const { device, word } = await forgetDevice(directory, context.clock, tellLeaving);
      asRootAgain();
      context.print(message(context.language, word === undefined ? 'left' : 'left-and-told', { device }));
      const firewall = await leaveFirewall({ device, hasWord: word !== undefined, clock: context.clock });
      actAsOwner(directory);
      if (word !== undefined && firewall !== 'stays') forgetWord(directory);
      if (firewall !== 'none')
        context.print(
          message(context.language, firewall === 'removed' ? 'firewall-removed' : 'firewall-stays'),
        );
    });
}
