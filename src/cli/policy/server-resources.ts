import type { Command } from 'commander';
import { ListResourcesResponse } from '../../contract/control-api.ts';
import type { Resource } from '../../domain/resources.ts';
import { addConnection, connectKnownApi, listAll } from '../api-client.ts';
import type { ApiClient, ConnectionOptions } from '../api-client.ts';

export interface KnownServerOptions extends ConnectionOptions {
  readonly offline?: true;
}

export const addKnownServer = (command: Command): Command =>
  addConnection(command).option('--offline', 'ask no server: the files say all there is');

/** The server to ask, where one is known and wanted. @throws CliError where it is known by half. */
export const connectUnlessOffline = (options: KnownServerOptions): Promise<ApiClient | undefined> =>
  options.offline === true ? Promise.resolve(undefined) : connectKnownApi(options);

/** What decisions are made of. Who administers is no part of it. */
const kinds = ['network', 'app', 'group', 'policy'] as const;

/** All networks, apps, groups and policies that the server has now. @throws CliError */
export async function fetchResources(api: ApiClient): Promise<Resource[]> {
  const lists = await Promise.all(
    kinds.map((kind) =>
      listAll(async (query) => {
        const path = `/v1/resources/${kind}${query}`;
        const { resources: items, ...next } = await api.call('GET', path, ListResourcesResponse);
        return { items, ...next };
      }),
    ),
  );
  return lists.flat();
}

/** What there would be once `files` were applied over what there is: a file's resource takes the place of its namesake. */
export function applyOver(present: readonly Resource[], files: readonly Resource[]): Resource[] {
  const named = new Set(files.map(({ kind, name }) => `${kind}/${name}`));
  return [...present.filter(({ kind, name }) => !named.has(`${kind}/${name}`)), ...files];
}
