import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseDocument } from 'yaml';
import type { AgentStatus } from '../../../agent/status.ts';
import { execArgv } from '../../../build/agent/executable.ts';
import { makeInstallation } from '../../control/installation.ts';
import type { Installation } from '../../control/installation.ts';
import { startServing } from '../../lab/serving.ts';
import type { Serving } from '../../lab/serving.ts';
import { freePort } from '../support/ports.ts';
import { residentBytes, run, start } from '../support/processes.ts';
import { posture, user } from '../support/target.ts';

const agentScript = fileURLToPath(new URL('../../../agent/main.ts', import.meta.url));
export const webHost = 'web.apps.example.org';
export const bulkTarget = 'bulk.apps.example.org:7000';

/** A gateway as a server of its own, which can die. */
export interface StagedGateway {
  readonly address: string;
  /** Starts it, where it does not run. */
  up(): Promise<void>;
  /** All its processes at once, as a power cut would. */
  kill(): Promise<void>;
  /** It keeps its connections and says nothing any more. */
  freeze(): void;
}

/** Control plane, two gateways in two zones on the ledger of one data directory, and a laptop with the real agent. */
export interface Stage {
  readonly installation: Installation;
  readonly controlPort: number;
  readonly gateways: readonly [StagedGateway, StagedGateway];
  /** Of the agent's proxy. */
  readonly proxyPort: number;
  status(): Promise<AgentStatus>;
  /** Bytes of memory that the agent holds. */
  agentMemory(): number;
  stop(): Promise<void>;
}

const resources = (ports: { readonly plain: number; readonly http: number }): object[] => [
  { kind: 'Network', name: 'bench', attach: { direct: true } },
  {
    kind: 'App',
    name: 'web',
    network: 'bench',
    host: webHost,
    protocol: 'http',
    upstreams: [`http://127.0.0.1:${ports.http}`],
  },
  {
    kind: 'App',
    name: 'bulk',
    network: 'bench',
    host: 'bulk.apps.example.org',
    protocol: 'tcp',
    ports: [7000],
    upstreams: [`tcp://127.0.0.1:${ports.plain}`],
  },
  { kind: 'Policy', name: 'bench', cedar: 'permit (principal, action, resource);' },
];

export async function setStage(ports: { readonly plain: number; readonly http: number }): Promise<Stage> {
  const installation = await makeInstallation();
  const stops: (() => Promise<void>)[] = [() => installation.remove()];
  const stop = async (): Promise<void> => {
    for (const each of stops.splice(0).reverse()) await each();
  };
  try {
    const addresses = [`127.0.0.1:${await freePort()}`, `127.0.0.1:${await freePort()}`] as const;
    const text = await readFile(installation.configFile, 'utf8');
    const configFor = async (zone: 'a' | 'b'): Promise<string> => {
      const [own, other] = zone === 'a' ? addresses : addresses.toReversed();
      const settings = parseDocument(text);
      settings.setIn(['gateway', 'port'], Number(own?.split(':')[1]));
      settings.setIn(['gateway', 'addresses'], [own]);
      settings.setIn(['gateway', 'zone'], zone);
      settings.setIn(['gateway', 'others'], [{ zone: zone === 'a' ? 'b' : 'a', addresses: [other] }]);
      settings.setIn(['limits', 'maxConnectionsPerAddress'], 20_000);
      settings.setIn(['log', 'level'], 'error');
      const file = join(installation.data, `zone-${zone}.yaml`);
      await writeFile(file, String(settings));
      return file;
    };
    const configs = [await configFor('a'), await configFor('b')] as const;
    const control = await startServing(configs[0], 'control');
    stops.push(() => control.kill());
    const controlPort = control.portOf('control');
    const applied = await installation.api(controlPort, 'POST', '/v1/apply', { resources: resources(ports) });
    if (applied.status >= 300) throw new Error(`not applied: ${JSON.stringify(applied.body)}`);
    const gateway = async (index: 0 | 1): Promise<StagedGateway> => {
      let serving: Serving | undefined;
      const staged: StagedGateway = {
        address: addresses[index],
        up: async () => void (serving ??= await startServing(configs[index], 'gateway')),
        kill: async () => {
          await serving?.kill();
          serving = undefined;
        },
        freeze: () => serving?.freeze(),
      };
      stops.push(() => staged.kill());
      await staged.up();
      return staged;
    };
    const gateways = [await gateway(0), await gateway(1)] as const;

    const made = await installation.api(controlPort, 'POST', '/v1/enrollment-tokens', { user });
    const state = join(installation.directory, 'agent');
    // With the flags that the runtime has in the file that laptops get.
    const agent = [process.execPath, ...execArgv, agentScript];
    await run([...agent, 'enroll', `https://localhost:${controlPort}`, made.body.token, '--state', state]);
    const stated = join(installation.directory, 'posture.json');
    await writeFile(stated, JSON.stringify(posture.checks));
    const laptop = await start(
      'all',
      [...agent, 'up', '--state', state, '--proxy-port', '0', '--unsafe-posture', stated],
      { ready: /^ready \S+$/m },
    );
    stops.push(laptop.stop);
    const proxyPort = Number(/^ready \S+:(\d+)$/m.exec(laptop.output)?.[1]);
    return {
      installation,
      controlPort,
      gateways,
      proxyPort,
      status: async () => (await (await fetch(`http://127.0.0.1:${proxyPort}/status`)).json()) as AgentStatus,
      agentMemory: () => residentBytes([laptop.pid]),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}
