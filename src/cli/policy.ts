import type { Command } from 'commander';
import { cedarSchema } from '../policy/schema.ts';
import { registerPolicyCheck } from './policy/check.ts';

export function registerPolicy(program: Command): void {
  const group = program
    .command('policy')
    .description('write policies: their schema, and checks before they are applied');
  group
    .command('schema')
    .description('print the Cedar schema that policies are written against')
    .addHelpText('after', '\nExample:\n  postern policy schema > postern.cedarschema')
    .action(() => {
      process.stdout.write(cedarSchema);
    });
  registerPolicyCheck(group);
}
