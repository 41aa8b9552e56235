import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseAllDocuments, parseDocument } from 'yaml';
import { ChangeDeviceStateResponse } from '../../contract/control-api.ts';
import { createApiClient } from '../api-client.ts';
import { readContext } from '../context-file.ts';
import { enrollLaptop } from './laptop.ts';
import type { Laptop } from './laptop.ts';
import { createPrivateNetwork, hideRunDirectory, insidePrivateNetwork } from './private-networks.ts';
import { createRunner, scriptBesides } from './processes.ts';
import type { Runner } from './processes.ts';

/** Everything the demo stands on: two networks, two applications, one server, two laptops. */
export interface Stage {
  readonly isolated: boolean;
  readonly directory: string;
  readonly dataDirectory: string;
  readonly caFile: string;
  readonly gatewayPort: number;
  readonly controlUrl: string;
  readonly operatorUrl: string;
  readonly alice: Laptop;
  readonly bob: Laptop;
  readonly runner: Runner;
  /** Revokes a device over the API, as `postern device revoke` does, without the start of a process in between. */
  revoke(device: string, reason: string): Promise<void>;
  /** How long each part took to come up, in milliseconds. */
  readonly timings: readonly (readonly [what: string, milliseconds: number])[];
  close(): Promise<void>;
}

const resourcesFile = fileURLToPath(new URL('../../../deploy/examples/two-networks.yaml', import.meta.url));
const applicationScript = scriptBesides('application');
const usualPorts = { gateway: 8443, control: 8444, operator: 9464 };

export interface StageOptions {
  readonly isolated: boolean;
  /** Free ports instead of the usual ones, so that several demos can run at once. */
  readonly anyPorts: boolean;
  readonly progress: (what: string) => void;
}

export async function setStage(options: StageOptions): Promise<Stage> {
  const directory = await mkdtemp(join(tmpdir(), 'postern-demo-'));
  const dataDirectory = join(directory, 'data');
  const contextFile = join(directory, 'context.yaml');
  const environment: NodeJS.ProcessEnv = { ...process.env, POSTERN_CONTEXT: contextFile };
  const runner = createRunner(environment);
  const timings: [string, number][] = [];
  const timed = async <T>(what: string, work: () => Promise<T>): Promise<T> => {
    options.progress(what);
    const start = performance.now();
    const result = await work();
    timings.push([what, performance.now() - start]);
    return result;
  };
  const close = async (): Promise<void> => {
    await runner.stopAll();
    await rm(directory, { recursive: true, force: true });
  };

  try {
    const resources = await timed('two private networks with an application in each', () =>
      options.isolated ? startIsolated(runner) : startDirect(runner, directory),
    );
    await timed('authorities, keys and an empty ledger', () =>
      runner.run('postern', ['init', '--data', dataDirectory, '--domain', 'example.org']),
    );
    const configFile = join(dataDirectory, 'postern.yaml');
    const ports = options.anyPorts ? { gateway: 0, control: 0, operator: 0 } : await portsThatAreFree();
    await setPorts(configFile, ports);
    const server = await timed('gateway and control plane', () =>
      runner.start('postern', ['serve', '--config', configFile, '--workers', '2']),
    );
    const portOf = (what: string): number => {
      const port = new RegExp(`${what}[ =]\\S*?:(\\d+)`).exec(server.ready)?.[1];
      if (port === undefined) throw new Error(`the server did not name its ${what} port: ${server.ready}`);
      return Number(port);
    };
    const controlUrl = `https://localhost:${portOf('control')}`;
    environment['POSTERN_SERVER'] = controlUrl;
    await timed('applications, groups and policies', () => runner.run('postern', ['apply', '-f', resources]));
    const [alice, bob] = await timed('two laptops, enrolled and connected', () =>
      Promise.all(
        (['alice', 'bob'] as const).map((name) =>
          enrollLaptop(runner, controlUrl, join(directory, name), `${name}@example.org`),
        ),
      ),
    );
    if (alice === undefined || bob === undefined) throw new TypeError('two laptops');
    return {
      isolated: options.isolated,
      directory,
      dataDirectory,
      caFile: join(alice.stateDirectory, 'ca.crt'),
      gatewayPort: portOf('gateway'),
      controlUrl,
      operatorUrl: `http://127.0.0.1:${portOf('operator')}`,
      alice,
      bob,
      runner,
      timings,
      close,
      async revoke(device, reason) {
        const { apiKey = '', ca } = await readContext(contextFile);
        const api = createApiClient({ origin: controlUrl, apiKey, ca });
        const path = `/v1/devices/${device}/state`;
        await api.call('POST', path, ChangeDeviceStateResponse, { state: 'revoked', reason });
      },
    };
  } catch (error) {
    await close();
    throw error;
  }
}

async function startIsolated(runner: Runner): Promise<string> {
  await hideRunDirectory();
  for (const [network, application] of [
    ['pn-finance', 'grants'],
    ['pn-payroll', 'payroll'],
  ] as const) {
    await createPrivateNetwork(network, '10.0.0.2');
    await runner.startScript(insidePrivateNetwork(network), applicationScript, [
      application,
      '10.0.0.2',
      '8080',
    ]);
  }
  return resourcesFile;
}

/** The same resources, attached directly: both applications on this machine's loopback, at ports of their own. */
async function startDirect(runner: Runner, directory: string): Promise<string> {
  const documents = parseAllDocuments(await readFile(resourcesFile, 'utf8'));
  for (const document of documents) {
    if (document.get('kind') === 'Network') document.set('attach', { direct: true });
    if (document.get('kind') !== 'App') continue;
    const application = String(document.get('name'));
    const port = await freePort();
    await runner.startScript([], applicationScript, [application, '127.0.0.1', String(port)]);
    document.set('upstreams', [`${application === 'grants' ? 'http' : 'tcp'}://127.0.0.1:${port}`]);
  }
  const file = join(directory, 'resources.yaml');
  await writeFile(file, documents.map(String).join('---\n'));
  return file;
}

async function setPorts(configFile: string, ports: typeof usualPorts): Promise<void> {
  const document = parseDocument(await readFile(configFile, 'utf8'));
  document.setIn(['gateway', 'port'], ports.gateway);
  document.setIn(['gateway', 'addresses'], [`127.0.0.1:${ports.gateway}`]);
  document.setIn(['gateway', 'listen'], '127.0.0.1');
  document.setIn(['control', 'port'], ports.control);
  document.setIn(['control', 'listen'], '127.0.0.1');
  document.setIn(['operator', 'port'], ports.operator);
  await writeFile(configFile, String(document));
}

async function portsThatAreFree(): Promise<typeof usualPorts> {
  const choose = async (port: number): Promise<number> => ((await isFree(port)) ? port : 0);
  return {
    gateway: await choose(usualPorts.gateway),
    control: await choose(usualPorts.control),
    operator: await choose(usualPorts.operator),
  };
}

async function listenOnce(port: number): Promise<number> {
  const server = createServer();
  return await new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}

const freePort = (): Promise<number> => listenOnce(0);
const isFree = async (port: number): Promise<boolean> => {
  try {
    await listenOnce(port);
    return true;
  } catch {
    return false;
  }
};
