import type { Command } from 'commander';
import { cedarSchema } from '../policy/schema.ts';
import { registerPolicyCheck } from './policy/check.ts';
import { registerPolicyDiff } from './policy/diff.ts';
import { registerPolicyHistory } from './policy/history.ts';
import { registerPolicyApprove, registerPolicyPending, registerPolicyReject } from './policy/pending.ts';
import { registerPolicyReplay } from './policy/replay.ts';
import { registerPolicyRollback } from './policy/rollback.ts';
import { registerPolicyTest } from './policy/test.ts';

export function registerPolicy(program: Command): void {
  const group = program
    .command('policy')
    .description('write policies, try them before they bite, and go back to earlier ones');
  group
    .command('schema')
    .description('print the Cedar schema that policies are written against')
    .addHelpText('after', '\nExample:\n  postern policy schema > postern.cedarschema')
    .action(() => {
      process.stdout.write(cedarSchema);
    });
  registerPolicyCheck(group);
  registerPolicyTest(group);
  registerPolicyReplay(group);
  registerPolicyHistory(group);
  registerPolicyDiff(group);
  registerPolicyRollback(group);
  registerPolicyPending(group);
  registerPolicyApprove(group);
  registerPolicyReject(group);
}
