import type { Command } from 'commander';
import { PendingChangeDetail, PendingChanges, RejectChangeResponse } from '../../contract/changes.ts';
import type { PendingChange } from '../../contract/changes.ts';
import { ApplyResponse } from '../../contract/control-api.ts';
import type { Resource } from '../../domain/resources.ts';
import { addConnection, connectApi } from '../api-client.ts';
import type { ConnectionOptions } from '../api-client.ts';
import { addOutput, formatTime, printable, printData, printLine, tableLines } from '../terminal/output.ts';
import type { OutputFormat } from '../terminal/output.ts';
import { changeLine, planLines } from '../plan-lines.ts';
import { compareResources, diffLines } from './resource-diff.ts';
import { applyOver, fetchResources } from './server-resources.ts';

type PrintOptions = ConnectionOptions & { readonly output: OutputFormat };

export function registerPolicyPending(group: Command): void {
  const pending = group
    .command('pending')
    .description(
      'changes that wait for a second administrator; one of them as a diff against what there is now',
    )
    .argument('[id]', 'one of them');
  addOutput(addConnection(pending))
    .addHelpText(
      'after',
      `
With \`changes: { approvals: 2 }\` in postern.yaml, a change of policies, groups, administrators or firewalls waits for a second person.

Examples:
  postern policy pending
  postern policy pending c-x2k7Qw91Lm3a
  postern policy approve c-x2k7Qw91Lm3a`,
    )
    .action(async (id: string | undefined, options: PrintOptions) => {
      const api = await connectApi(options);
      if (id === undefined) {
        const { changes } = await api.call('GET', '/v1/changes', PendingChanges);
        printData(options.output, changes, () =>
          tableLines(
            ['ID', 'BY', 'SINCE', 'UNTIL', 'CHANGES'],
            changes.map((change) => [
              change.id,
              proposer(change),
              formatTime(change.proposedAt),
              formatTime(change.expiresAt),
              String(change.changes.length),
            ]),
          ),
        );
        return;
      }
      const change = await api.call('GET', pathOf(id), PendingChangeDetail);
      const present = await fetchResources(api);
      printData(options.output, change, () => [
        `${change.id}, proposed by ${printable(proposer(change))}, waits until ${formatTime(change.expiresAt)}`,
        ...change.changes.map(changeLine),
        ...diffLines(compareResources(present, afterwards(present, change)), 'now', change.id),
      ]);
    });
}

export function registerPolicyApprove(group: Command): void {
  const command = group
    .command('approve')
    .description('make a change that another person proposed')
    .argument('<id>', 'as policy pending lists it');
  addOutput(addConnection(command))
    .addHelpText(
      'after',
      `
It is checked again against what there is now. A change that touches what has changed since is refused, with what differs.
Nobody approves what they proposed, by whatever sign-in or API key: a key stands for the person who made it. Keys of which no
person is known (that of \`postern init\` or of a restore, and what was made with them) approve nothing, and nothing that they
proposed is approved.

Example:
  postern policy approve c-x2k7Qw91Lm3a`,
    )
    .action(async (id: string, options: PrintOptions) => {
      const api = await connectApi(options);
      const answer = await api.call('POST', `${pathOf(id)}/approve`, ApplyResponse);
      printData(options.output, answer, () => planLines(answer));
    });
}

export function registerPolicyReject(group: Command): void {
  const command = group
    .command('reject')
    .description('take a change out of the queue; whoever proposed it may do so too')
    .argument('<id>', 'as policy pending lists it')
    .requiredOption('--reason <text>', 'why, for the ledger');
  addConnection(command)
    .addHelpText(
      'after',
      '\nExample:\n  postern policy reject c-x2k7Qw91Lm3a --reason "opens payroll to everyone"',
    )
    .action(async (id: string, options: ConnectionOptions & { readonly reason: string }) => {
      const api = await connectApi(options);
      const { reason } = options;
      const rejected = await api.call('POST', `${pathOf(id)}/reject`, RejectChangeResponse, { reason });
      printLine(`Rejected ${rejected.id}. Nothing was changed.`);
    });
}

/** Who did it, and who is behind that where it was a key. */
const proposer = ({ proposedBy, person }: PendingChange): string =>
  person === undefined || proposedBy === `user:${person}` ? proposedBy : `${proposedBy} (${person})`;

const pathOf = (id: string): string => `/v1/changes/${encodeURIComponent(id)}`;

/** What there would be once the change was made. */
function afterwards(present: readonly Resource[], { changes, resources }: PendingChangeDetail): Resource[] {
  const deleted = new Set(
    changes.filter(({ action }) => action === 'delete').map(({ kind, name }) => `${kind}/${name}`),
  );
  const shown = resources.filter(({ kind }) => kind !== 'Administrator');
  return applyOver(present, shown).filter(({ kind, name }) => !deleted.has(`${kind}/${name}`));
}
