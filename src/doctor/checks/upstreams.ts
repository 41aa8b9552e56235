import type { NetworkRegistration } from '../../contract/ipc.ts';
import { registrations } from '../../routing/registrations.ts';
import { connectorCommand, ownPrograms } from '../../supervisor/commands.ts';
import { startConnector } from '../../supervisor/connector-process.ts';
import type { DialResult } from '../../supervisor/dial-result.ts';
import type { Check, Finding } from '../finding.ts';
import { ok, someOf, unknown } from '../finding.ts';

const dialTimeoutMs = 3000;
/** Starting a process a network for each of hundreds at once would be a load of its own. */
const networksAtOnce = 4;

/** Dials every upstream from inside its network, by a connector as the server starts them, with the resolvers of that network. */
export const upstreamsCheck: Check = {
  name: 'upstreams',
  limitMs: 45_000,
  async run({ state, settings }) {
    if ('problem' in state) return unknown('the ledger cannot be read');
    const waiting = registrations(state).filter(({ upstreams }) => upstreams.length > 0);
    const count = waiting.reduce((sum, { upstreams }) => sum + upstreams.length, 0);
    const found: Finding[] = [];
    const next = async (): Promise<void> => {
      for (let network = waiting.shift(); network !== undefined; network = waiting.shift())
        found.push(...(await dialAll(network, settings.runAs)));
    };
    await Promise.all(Array.from({ length: networksAtOnce }, next));
    return found.length > 0 ? found : ok(`all ${count} answer from inside their networks`);
  },
};

async function dialAll(
  network: NetworkRegistration,
  runAs: { readonly uid: number; readonly gid: number } | undefined,
): Promise<Finding[]> {
  const isRoot = process.getuid?.() === 0;
  if ('netns' in network.attach && !isRoot)
    return [
      {
        level: 'unknown',
        what: `upstreams of network ${network.name}: only root may enter it`,
        how: 'run postern doctor as root',
      },
    ];
  const command = connectorCommand(ownPrograms.connector, network, process.env, isRoot ? runAs : undefined);
  if ('problem' in command)
    return [{ level: 'unknown', what: `upstreams of network ${network.name}: ${command.problem}` }];
  const connector = startConnector(command, network, {
    dialTimeoutMs,
    idleAfterMs: 600_000,
    onIdle: () => undefined,
    onEnd: () => undefined,
  });
  try {
    const results = await Promise.all(
      network.upstreams.map(async (upstream) => ({
        upstream,
        result: await new Promise<DialResult>((resolve) => connector.dial(upstream, resolve)),
      })),
    );
    return judge(network.name, results);
  } finally {
    await connector.end();
  }
}

function judge(
  network: string,
  results: readonly {
    readonly upstream: { readonly host: string; readonly port: number };
    readonly result: DialResult;
  }[],
): Finding[] {
  const found: Finding[] = [];
  const down: string[] = [];
  for (const { upstream, result } of results) {
    if ('handle' in result) result.handle.close();
    else if (result.failure === 'name-unresolved')
      found.push({
        level: 'error',
        what: `in network ${network}, a name does not resolve: ${result.detail}`,
        how: "see the network's `dns`, and whether that resolver answers inside the network",
      });
    else if (result.failure === 'connector-unavailable')
      found.push({ level: 'unknown', what: `upstreams of network ${network}: ${result.detail}` });
    else down.push(`${upstream.host} port ${upstream.port} (${result.detail})`);
  }
  if (down.length > 0)
    found.push({
      level: 'error',
      what: `in network ${network}, ${down.length} of ${results.length} upstreams are down: ${someOf(down)}`,
      how: 'start the application, or mend address, port or firewall between it and the namespace',
    });
  return found;
}
