import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import packageFile from '../../../package.json' with { type: 'json' };
import { dataDirectory } from '../../contract/data-directory.ts';
import { readServers } from '../../control/fleeting/server-presence.ts';
import type { PresentServer } from '../../control/fleeting/server-presence.ts';
import { readRedisAddress } from '../../ledger/redis/redis-address.ts';
import { openRedisConnection } from '../../ledger/redis/redis-connection.ts';
import { judgeSkew } from '../clock-skew.ts';
import type { DoctorFacts } from '../facts.ts';
import type { Check, Finding } from '../finding.ts';
import { ok, someOf, unknown } from '../finding.ts';
import { readOperator } from '../read-server.ts';

/** Whether the other servers of this installation are there, in one version and at one time: those that share a Redis, and the gateways of the settings. */
export const serversCheck: Check = {
  name: 'servers',
  limitMs: 15_000,
  async run(facts) {
    const gateways = facts.settings.control.gateways ?? [];
    const present = await readPresent(facts).catch(() => undefined);
    const found = [
      ...(present === undefined ? [] : judgeVersions(present)),
      ...(present ?? []).flatMap(({ name, clockMs, seenMs }) =>
        judgeSkew(`the clock of ${name}`, 'Redis', clockMs - seenMs),
      ),
      ...(await Promise.all(gateways.map((gateway) => lookAt(gateway, facts)))).flat(),
    ];
    if (found.length > 0) return found;
    if (isShared(facts) && present === undefined)
      return unknown('who else shares this ledger: Redis does not tell, see `redis`');
    if (isShared(facts) && present?.length === 0)
      return unknown('no server has shown itself in Redis within the last minute');
    const names = [...(present ?? []).map(({ name, role }) => `${name} (${role})`)];
    const own = isShared(facts) ? `in Redis: ${someOf(names, 8)}, all of one version` : '';
    const named = gateways.length > 0 ? `${gateways.length} gateways of the settings answer` : '';
    return ok(
      own === '' && named === ''
        ? 'this one alone: the settings name no others'
        : [own, named].filter((text) => text !== '').join('; '),
    );
  },
};

const isShared = ({ settings: { ledger } }: DoctorFacts): boolean =>
  ledger !== undefined && 'redis' in ledger;

async function readPresent({
  settings: { ledger },
  configFile,
}: DoctorFacts): Promise<readonly PresentServer[] | undefined> {
  if (ledger === undefined || !('redis' in ledger)) return undefined;
  const address = readRedisAddress(ledger.redis, dirname(configFile));
  const connection = openRedisConnection(address);
  try {
    return await readServers(connection, address.prefix);
  } finally {
    connection.close();
  }
}

function judgeVersions(present: readonly PresentServer[]): Finding[] {
  const byVersion = Map.groupBy(present, ({ version }) => version);
  const others = [...byVersion.keys()].filter((version) => version !== packageFile.version);
  if (others.length === 0) return [];
  const list = [...byVersion]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([version, servers]) => `${version} at ${someOf(servers.map(({ name }) => name))}`);
  return [
    {
      level: 'warning',
      what: `servers that share this ledger differ: ${list.join('; ')}; installed at ${hostname()} is ${packageFile.version}`,
      how: 'bring all to one version, one after the other: an older one may not understand what a newer one writes',
    },
  ];
}

async function lookAt(
  { id, operator }: { readonly id: string; readonly operator: string },
  { directory }: DoctorFacts,
): Promise<Finding[]> {
  try {
    const rootPem = readFileSync(join(directory, dataDirectory.rootCertificate), 'utf8');
    const { ready, waitingFor, version, aheadMs } = await readOperator(operator, rootPem);
    const found =
      aheadMs === undefined ? [] : judgeSkew(`the clock of gateway ${id}`, 'this machine', aheadMs);
    if (version !== packageFile.version)
      found.push({
        level: 'warning',
        what: `gateway ${id} runs version ${version}, and ${packageFile.version} is installed here`,
        how: 'bring both to one version',
      });
    if (!ready)
      found.push({
        level: 'error',
        what: `gateway ${id} passes no flows: it waits for ${waitingFor.join(', ')}`,
        how: 'postern doctor on that machine says more',
      });
    return found;
  } catch (error) {
    return [
      {
        level: 'error',
        what: `gateway ${id} at ${operator} ${(error as Error).message}`,
        how: 'start it, open the way to its operator port, or correct control.gateways in the settings',
      },
    ];
  }
}
