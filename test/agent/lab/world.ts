import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { pino } from 'pino';
import { startAgent } from '../../../agent/agent.ts';
import type { AgentOptions, RunningAgent } from '../../../agent/agent.ts';
import { systemClock } from '../../../agent/clock.ts';
import type { CarrierView } from '../../../agent/session/carrier-view.ts';
import { buildPosture } from '../../../agent/posture/posture-provider.ts';
import type { Findings, PostureProvider } from '../../../agent/posture/posture-provider.ts';
import { postureChecks } from '../../../agent/posture/checks.ts';
import type { Finding, PostureCheck } from '../../../agent/posture/posture-check.ts';
import { formatSettings } from '../../../agent/state/settings-file.ts';
import type { AgentSettings } from '../../../agent/state/settings-file.ts';
import { statePaths } from '../../../agent/state/state-directory.ts';
import type { StatePaths } from '../../../agent/state/state-directory.ts';
import { makeOrganization } from '../../lab/pki.ts';
import type { LabDevice, Organization } from '../../lab/pki.ts';
import { startControlServer } from './control-server.ts';
import type { ControlServer } from './control-server.ts';
import { startGatewayServer } from './gateway-server.ts';
import type { GatewayServer } from './gateway-server.ts';

export const silent = pino({ level: 'silent' });

/** Every criterion found the same, at once; a test may change what. */
export interface LabPosture extends PostureProvider {
  set(value: boolean | 'unknown'): void;
}

export function postureOf(first: boolean | 'unknown' = false): LabPosture {
  let value = first;
  const watchers = new Set<() => void>();
  const find = ({ criterion }: PostureCheck): [string, Finding] => [criterion, { value, reason: 'lab' }];
  return {
    measure: () =>
      Promise.resolve(
        buildPosture(
          systemClock,
          { os: 'debian', osVersion: '13', kernelVersion: '6.12.9' },
          Object.fromEntries(postureChecks.map(find)) as Findings,
        ),
      ),
    watch: (onChange, signal) =>
      new Promise((resolve) => {
        watchers.add(onChange);
        signal.addEventListener('abort', () => resolve(), { once: true });
      }),
    set: (next) => {
      value = next;
      for (const watcher of watchers) watcher();
    },
  };
}

export interface Laptop extends RunningAgent {
  /** Resolves when the agent is, or comes to be, in this state. */
  reach(state: CarrierView['state']): Promise<CarrierView>;
}

export interface Relay {
  readonly address: string;
  silence(): void;
  speak(): void;
}

/** One organization with a control plane, a gateway and a laptop that is enrolled. */
export interface World {
  readonly organization: Organization;
  readonly control: ControlServer;
  readonly gateway: GatewayServer;
  readonly device: LabDevice;
  readonly paths: StatePaths;
  startLaptop(options?: Partial<AgentOptions>): Promise<Laptop>;
  /** A TCP server on loopback, closed with the world. */
  serve(handle: (socket: Socket) => void): Promise<number>;
  /** One more gateway of the organization; `settings` says whether its certificate is of another authority. */
  startGateway(settings?: { readonly organization?: Organization }): Promise<GatewayServer>;
  /** The control plane names these gateways from now on, the first as the one that it always named. */
  useGateways(gateways: readonly { readonly zone?: string; readonly address: string }[]): void;
  /** A way to an address that can fall silent without closing anything, and be opened again. */
  relay(address: string): Promise<Relay>;
  /** Leads laptops to the gateway through such a way. */
  relayGateway(): Promise<Relay>;
  close(): Promise<void>;
}

const app = (name: string, protocol: string, ports: number[]) => ({
  name,
  host: `${name}.apps.example.org`,
  protocol,
  ports,
});

export async function makeWorld(
  options: { certificateAge?: number; settings?: Partial<AgentSettings> } = {},
): Promise<World> {
  const organization = await makeOrganization();
  const control = await startControlServer({ organization });
  const gateway = await startGatewayServer({ organization, tokens: control.tokens });
  control.config = {
    ...control.config,
    gateway: { name: `gateway.${organization.domain}`, addresses: [gateway.address] },
    apps: [app('grants', 'http', []), app('ledger', 'tcp', [5432])],
  };
  const issuedAt = new Date(Date.now() - (options.certificateAge ?? 0) * 1000);
  const device = await organization.issueDevice({ id: 'd-laptop', now: issuedAt });
  const paths = statePaths(await mkdtemp(join(tmpdir(), 'postern-agent-')));
  const write = (path: string, content: string): Promise<void> => writeFile(path, content, { mode: 0o600 });
  await write(paths.key, device.keyPem);
  await write(paths.certificate, device.chainPem);
  await write(paths.authority, organization.rootPem);
  const identity = { device: 'd-laptop', user: 'alice@example.org', domain: organization.domain };
  await write(
    paths.settings,
    formatSettings({ version: 1, control: control.url, ...identity, proxyPort: 0, ...options.settings }),
  );

  const gateways = [gateway];
  const laptops: RunningAgent[] = [];
  const servers: Server[] = [];
  const sockets = new Set<Socket>();
  const world: World = {
    organization,
    control,
    gateway,
    device,
    paths,
    startLaptop: async (overrides = {}) => {
      const watchers = new Set<(view: CarrierView) => void>();
      const agent = await startAgent({
        directory: paths.directory,
        posture: postureOf(),
        clock: systemClock,
        random: () => 0.5,
        log: silent,
        language: 'en',
        ...overrides,
        onState: (view) => {
          overrides.onState?.(view);
          for (const watcher of watchers) watcher(view);
        },
      });
      laptops.push(agent);
      return {
        ...agent,
        reach: (state) =>
          new Promise((resolve) => {
            if (agent.view().state === state) return resolve(agent.view());
            const watcher = (view: CarrierView): void => {
              if (view.state !== state) return;
              watchers.delete(watcher);
              resolve(view);
            };
            watchers.add(watcher);
          }),
      };
    },
    serve: async (handle) => {
      const server = createServer({ allowHalfOpen: true }, (socket) => {
        sockets.add(socket);
        socket.on('error', () => {});
        socket.once('close', () => sockets.delete(socket));
        handle(socket);
      });
      servers.push(server);
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      return (server.address() as AddressInfo).port;
    },
    startGateway: async (settings = {}) => {
      const another = await startGatewayServer({ organization, tokens: control.tokens, ...settings });
      gateways.push(another);
      return another;
    },
    useGateways: (named) => {
      const name = `gateway.${organization.domain}`;
      const all = named.map(({ zone, address }) => ({
        name,
        ...(zone === undefined ? {} : { zone }),
        addresses: [address],
      }));
      control.config = {
        ...control.config,
        gateway: { name, addresses: all[0]?.addresses ?? [] },
        gateways: all,
      };
    },
    relay: async (address) => {
      const [host = '', port = ''] = address.split(':');
      const pairs: [Socket, Socket][] = [];
      let isSilent = false;
      const relay = await world.serve((socket) => {
        const onward = connect({ host, port: Number(port) });
        onward.on('error', () => {});
        socket.once('close', () => onward.destroy());
        onward.once('close', () => socket.destroy());
        pairs.push([socket, onward]);
        if (!isSilent) join(socket, onward);
      });
      const join = (one: Socket, other: Socket): void => {
        one.pipe(other);
        other.pipe(one);
      };
      return {
        address: `127.0.0.1:${relay}`,
        silence() {
          isSilent = true;
          for (const half of pairs.flat()) half.unpipe().pause();
        },
        speak() {
          isSilent = false;
          for (const [one, other] of pairs) join(one, other);
        },
      };
    },
    relayGateway: async () => {
      const relay = await world.relay(gateway.address);
      const { gateway: named } = control.config;
      control.config = { ...control.config, gateway: { ...named, addresses: [relay.address] } };
      return relay;
    },
    close: async () => {
      await Promise.all(laptops.map((laptop) => laptop.stop()));
      for (const socket of sockets) socket.destroy();
      for (const server of servers) server.close();
      await Promise.all([control.close(), ...gateways.map((each) => each.close())]);
      await rm(paths.directory, { recursive: true, force: true });
    },
  };
  return world;
}
