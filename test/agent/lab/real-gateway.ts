import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startAgent } from '../../../agent/agent.ts';
import type { RunningAgent } from '../../../agent/agent.ts';
import { systemClock } from '../../../agent/clock.ts';
import { formatSettings } from '../../../agent/state/settings-file.ts';
import type { AgentSettings } from '../../../agent/state/settings-file.ts';
import { statePaths } from '../../../agent/state/state-directory.ts';
import { portsOf } from '../../../src/domain/app-ports.ts';
import type { App } from '../../../src/domain/resources.ts';
import { startLabGateway } from '../../lab/gateway.ts';
import type { LabGateway } from '../../lab/gateway.ts';
import { startControlServer } from './control-server.ts';
import { postureOf, silent } from './world.ts';

/** A laptop whose agent is connected to a real gateway: real policies, tokens and tunnels to the applications. */
export interface RealGateway {
  readonly lab: LabGateway;
  readonly agent: RunningAgent;
  /** Root of the applications' certificates. */
  readonly authorityFile: string;
  readonly directory: string;
  close(): Promise<void>;
}

export async function connectLaptop(
  apps: readonly App[],
  settings: Partial<AgentSettings>,
): Promise<RealGateway> {
  const lab = await startLabGateway({ apps });
  const laptop = await lab.laptop('alice@example.org');
  const { certificate } = laptop;
  const control = await startControlServer({ organization: lab.organization });
  control.config = {
    ...control.config,
    gateway: { name: 'gateway.example.org', addresses: [`127.0.0.1:${lab.port}`] },
    apps: apps.map((app) => ({
      name: app.name,
      host: app.host,
      protocol: app.protocol,
      ports: [...portsOf(app)],
    })),
  };
  control.instead.set('/v1/device/token', async () => ({
    token: await laptop.token(),
    expiresAt: Math.floor(Date.now() / 1000) + 600,
    expiresInSeconds: 600,
  }));
  const paths = statePaths(await mkdtemp(join(tmpdir(), 'postern-agent-')));
  const write = (path: string, content: string): Promise<void> => writeFile(path, content, { mode: 0o600 });
  await write(paths.key, certificate.keyPem);
  await write(paths.certificate, certificate.chainPem);
  await write(paths.authority, lab.organization.rootPem);
  const identity = { device: certificate.id, user: laptop.user, domain: lab.organization.domain };
  await write(
    paths.settings,
    formatSettings({ version: 1, control: control.url, ...identity, proxyPort: 0, ...settings }),
  );
  const connected = Promise.withResolvers<void>();
  const agent = await startAgent({
    directory: paths.directory,
    posture: postureOf(),
    clock: systemClock,
    random: Math.random,
    log: silent,
    language: 'en',
    onState: ({ state }) => (state === 'connected' ? connected.resolve() : undefined),
  });
  await connected.promise;
  return {
    lab,
    agent,
    authorityFile: paths.authority,
    directory: paths.directory,
    close: async () => {
      await agent.stop();
      await control.close();
      await lab.close();
      await rm(paths.directory, { recursive: true, force: true });
    },
  };
}
