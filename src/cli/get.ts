import type { Command } from 'commander';
import { DeviceView, ListDevicesResponse, ListResourcesResponse } from '../contract/control-api.ts';
import { AnyResource } from '../domain/resources.ts';
import type { Administrator, FirewallRule, Group, Resource } from '../domain/resources.ts';
import { addConnection, connectApi, listAll } from './api-client.ts';
import type { ConnectionOptions } from './api-client.ts';
import { deviceLines } from './devices/device-lines.ts';
import { addOutput, printData, tableLines } from './terminal/output.ts';
import type { OutputFormat } from './terminal/output.ts';

export function registerGet(program: Command): void {
  const command = program
    .command('get')
    .description('show resources or devices')
    .argument('<kind>', 'network, app, group, policy, administrator, firewall or device; singular or plural')
    .argument('[name]', 'one of them');
  addOutput(addConnection(command))
    .addHelpText(
      'after',
      `
Examples:
  postern get apps
  postern get policy finance-grants -o yaml     as it can be applied again
  postern get device`,
    )
    .action(
      async (
        kind: string,
        name: string | undefined,
        options: ConnectionOptions & { output: OutputFormat },
      ) => {
        const api = await connectApi(options);
        if (/^devices?$/i.test(kind)) {
          const devices =
            name === undefined
              ? await listAll(async (query) => {
                  const { devices: items, ...next } = await api.call(
                    'GET',
                    `/v1/devices${query}`,
                    ListDevicesResponse,
                  );
                  return { items, ...next };
                })
              : [await api.call('GET', `/v1/devices/${encodeURIComponent(name)}`, DeviceView)];
          printData(options.output, name === undefined ? devices : devices[0], () => deviceLines(devices));
          return;
        }
        const path = `/v1/resources/${encodeURIComponent(kind)}`;
        const resources =
          name === undefined
            ? await listAll(async (query) => {
                const { resources: items, ...next } = await api.call(
                  'GET',
                  `${path}${query}`,
                  ListResourcesResponse,
                );
                return { items, ...next };
              })
            : [await api.call('GET', `${path}/${encodeURIComponent(name)}`, AnyResource)];
        printData(options.output, name === undefined ? resources : resources[0], () =>
          resourceLines(resources),
        );
      },
    );
}

function resourceLines(resources: readonly Resource[]): string[] {
  const [first] = resources;
  if (first === undefined) return ['There are none.'];
  const columns = columnsOf[first.kind];
  return tableLines(
    ['NAME', ...columns],
    resources.map((resource) => [resource.name, ...describe(resource)]),
  );
}

const columnsOf = {
  Network: ['ATTACHED', 'DNS'],
  App: ['NETWORK', 'HOST', 'PROTOCOL', 'UPSTREAMS'],
  Group: ['MEMBERS'],
  Policy: ['MODE', 'CEDAR'],
  Administrator: ['ROLE', 'MEMBERS'],
  Firewall: ['FOR', 'INBOUND', 'OUTBOUND'],
} as const satisfies Record<Resource['kind'], readonly string[]>;

function describe(resource: Resource): string[] {
  switch (resource.kind) {
    case 'Network':
      return [Object.entries(resource.attach).flat().map(String).join(' '), (resource.dns ?? []).join(' ')];
    case 'App':
      return [resource.network, resource.host, resource.protocol, resource.upstreams.join(' ')];
    case 'Group':
      return [describeMembers(resource)];
    case 'Administrator':
      return [resource.role, describeMembers(resource)];
    case 'Firewall': {
      const { groups, inbound, outbound } = resource;
      const rules = (list: readonly FirewallRule[]): string =>
        list.map(({ protocol, ports }) => `${protocol} ${ports.join(',')}`).join('; ');
      const listed = outbound === undefined ? 'everything' : rules(outbound);
      return [groups?.join(' ') ?? 'all others', rules(inbound) || 'nothing', listed || 'gateways'];
    }
    case 'Policy': {
      const text = resource.cedar.replaceAll(/\s+/g, ' ').trim();
      return [resource.mode ?? 'enforce', text.length > 100 ? `${text.slice(0, 100)}…` : text];
    }
  }
}

function describeMembers({ members }: Group | Administrator): string {
  if (!Array.isArray(members)) return `claim ${members.claim} is ${members.value}`;
  return members.length > 3
    ? `${members.slice(0, 3).join(' ')} and ${members.length - 3} more`
    : members.join(' ');
}
