import type { Command } from 'commander';
import { Type } from 'typebox';
import { Waiting } from '../contract/control-api.ts';
import { addConnection, connectApi } from './api-client.ts';
import type { ConnectionOptions } from './api-client.ts';
import { printLine } from './terminal/output.ts';
import { waitingLine } from './plan-lines.ts';

const Deleted = Type.Object({
  kind: Type.String(),
  name: Type.String(),
  enforcedInMs: Type.Number(),
  workersPending: Type.Integer(),
  waiting: Type.Optional(Waiting),
});

export function registerDelete(program: Command): void {
  const command = program
    .command('delete')
    .description('delete one resource that nothing refers to; flows that it allowed are cut')
    .argument('<kind>', 'network, app, group, policy or administrator')
    .argument('<name>', 'its name');
  addConnection(command)
    .addHelpText(
      'after',
      `
Devices are never deleted: see \`postern device revoke\`.

Examples:
  postern delete policy finance-grants
  postern delete app grants`,
    )
    .action(async (kind: string, name: string, options: ConnectionOptions) => {
      const api = await connectApi(options);
      const path = `/v1/resources/${encodeURIComponent(kind)}/${encodeURIComponent(name)}`;
      const deleted = await api.call('DELETE', path, Deleted);
      if (deleted.waiting !== undefined) {
        printLine(waitingLine(deleted.waiting));
        return;
      }
      printLine(`Deleted ${deleted.kind.toLowerCase()} ${deleted.name}${inForce(deleted)}`);
    });
}

/** How soon a change was in force, as every command that makes one says it. */
export const inForce = ({
  enforcedInMs,
  workersPending,
}: {
  enforcedInMs: number;
  workersPending: number;
}): string =>
  workersPending === 0
    ? `: in force after ${enforcedInMs.toFixed(0)} ms.`
    : `, but ${workersPending} worker(s) had not confirmed it after ${enforcedInMs.toFixed(0)} ms: look at /readyz and the log.`;
