import { Option } from 'commander';
import type { Command } from 'commander';
import { Type } from 'typebox';
import { ApiKeyView, CreateApiKeyResponse } from '../contract/control-api.ts';
import { roles } from '../domain/administration.ts';
import type { Role } from '../domain/administration.ts';
import { addConnection, connectApi } from './api-client.ts';
import type { ConnectionOptions } from './api-client.ts';
import { CliError, exitCodes } from './cli-error.ts';
import { parseDuration } from './duration.ts';
import { addOutput, formatTime, printable, printData, tableLines } from './terminal/output.ts';
import type { OutputFormat } from './terminal/output.ts';

interface Common extends ConnectionOptions {
  readonly output: OutputFormat;
}

interface Revoke extends Common {
  readonly madeBy?: string;
}

const ApiKeys = Type.Object({ apiKeys: Type.Array(ApiKeyView) });

export function registerApiKey(program: Command): void {
  const group = program
    .command('api-key')
    .description('keys with which machines, and people without an identity provider, administer')
    .addHelpText(
      'after',
      `
Roles: owner everything; security devices and policies; helpdesk quarantine and why; soc flows, and reading;
auditor reads all and changes nothing.

A key stands for the person who made it, signed in or with a key of theirs: where changes take two people, none of that person's
keys and sign-ins approves what another of them proposed. Of the key that \`postern init\` or a restore makes, and of those
made with it, no person is known: with them such changes are neither proposed nor approved.

Examples:
  postern api-key create --name ci --role security --ttl 90d
  postern api-key create --name inventory --role auditor --scope devices:read
  postern api-key list
  postern api-key revoke 1xK…                       final
  postern api-key revoke --made-by alice@example.org   all that she made, when she leaves`,
    );
  registerCreate(group);
  registerList(group);
  registerRevoke(group);
}

function registerCreate(group: Command): void {
  const command = group
    .command('create')
    .description('make one; only its hash is stored, so it cannot be shown again')
    .requiredOption('--name <name>', 'what the ledger calls it; none is used twice')
    .addOption(new Option('--role <role>', 'what it may do').choices(roles).makeOptionMandatory())
    .option('--scope <scope...>', 'what of its role it is for, such as devices:read (default: all)')
    .option(
      '--ttl <duration>',
      'how long it may be used: 24h, 90d (default: until it is revoked)',
      parseDuration,
    );
  addOutput(addConnection(command)).action(
    async (options: Common & { name: string; role: Role; scope?: string[]; ttl?: number }) => {
      const { name, role, scope, ttl, output } = options;
      const api = await connectApi(options);
      const created = await api.call('POST', '/v1/api-keys', CreateApiKeyResponse, {
        name,
        role,
        ...(scope === undefined ? {} : { scopes: scope }),
        ...(ttl === undefined ? {} : { ttlSeconds: ttl }),
      });
      printData(output, created, () => [created.key, '', printable(describe(created.apiKey))]);
    },
  );
}

function describe({ name, role, scopes, expiresAt }: ApiKeyView): string {
  const what = scopes === undefined ? role : `${role}, for ${scopes.join(', ')} only`;
  return `API key ${name} (${what}), ${expiresAt === undefined ? 'until it is revoked' : `until ${formatTime(expiresAt)}`}. It is shown this once.`;
}

function registerList(group: Command): void {
  const command = group.command('list').description('all keys, those that were revoked too');
  addOutput(addConnection(command)).action(async (options: Common) => {
    const api = await connectApi(options);
    const { apiKeys } = await api.call('GET', '/v1/api-keys', ApiKeys);
    printData(options.output, apiKeys, () =>
      tableLines(
        ['ID', 'NAME', 'ROLE', 'SCOPES', 'PERSON', 'MADE', 'UNTIL', 'REVOKED'],
        apiKeys.map((key) => [
          key.id,
          key.name,
          key.role,
          key.scopes?.join(' ') ?? 'all',
          key.person ?? '',
          formatTime(key.createdAt),
          key.expiresAt === undefined ? '' : formatTime(key.expiresAt),
          key.revokedAt === undefined ? '' : formatTime(key.revokedAt),
        ]),
      ),
    );
  });
}

function registerRevoke(group: Command): void {
  const command = group
    .command('revoke')
    .description('refuse a key from now on, for good')
    .argument('[id]', 'id of the key, as in `postern api-key list`')
    .option('--made-by <person>', 'instead: all keys that this person made, and those made with them');
  addOutput(addConnection(command)).action(async (id: string | undefined, options: Revoke) => {
    const { madeBy } = options;
    if ((id === undefined) === (madeBy === undefined))
      throw new CliError(exitCodes.invalid, 'give the id of a key, or --made-by PERSON');
    const api = await connectApi(options);
    if (id === undefined) {
      const { apiKeys } = await api.call('POST', '/v1/api-keys/revoke', ApiKeys, { person: madeBy });
      return printData(options.output, apiKeys, () =>
        apiKeys.length === 0
          ? [printable(`All API keys that ${madeBy} made were revoked already.`)]
          : apiKeys.map(({ name }) => printable(`API key ${name} is revoked.`)),
      );
    }
    const { apiKey } = await api.call(
      'DELETE',
      `/v1/api-keys/${encodeURIComponent(id)}`,
      Type.Object({ apiKey: ApiKeyView }),
    );
    printData(options.output, apiKey, () => [printable(`API key ${apiKey.name} is revoked.`)]);
  });
}
