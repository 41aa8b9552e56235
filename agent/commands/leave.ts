import type { Command } from 'commander';
import { leaveFirewall } from '../firewall/leave-firewall.ts';
import { systemFilter } from '../firewall/system-filter.ts';
import { actAsOwner } from '../state/act-as-owner.ts';
import { forgetDevice } from '../state/forget-device.ts';
import { message } from '../messages.ts';
import { stateDirectoryOf, stateOption } from './command-context.ts';
import type { CommandContext } from './command-context.ts';

/** `postern-agent leave`: the laptop forgets the device that it was. */
export function addLeaveCommand(program: Command, context: CommandContext): void {
  program
    .command('leave')
    .description('stop the agent, delete key, certificate and tokens')
    .option(...stateOption)
    .addHelpText('after', '\nExample:\n  postern-agent leave')
    .action(async (options: { readonly state?: string }) => {
      const directory = stateDirectoryOf(context, options.state);
      const asRootAgain = actAsOwner(directory);
      const device = await forgetDevice(directory, context.clock);
      asRootAgain();
      context.print(message(context.language, 'left', { device }));
      const firewall = await leaveFirewall(device, systemFilter());
      if (firewall !== 'none')
        context.print(
          message(context.language, firewall === 'removed' ? 'firewall-removed' : 'firewall-stays'),
        );
    });
}
