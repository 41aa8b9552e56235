import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createApiKey } from '../../src/control/api/api-key.ts';
import type { Role } from '../../src/domain/administration.ts';
import { startControlLab } from '../control/control-lab.ts';
import type { ControlLab, ControlLabOptions } from '../control/control-lab.ts';
import { runPostern } from './run-postern.ts';
import type { Run } from './run-postern.ts';

/** The command of a security team beside a real control plane, with a folder for its files. */
export interface PolicyLab {
  readonly control: ControlLab;
  readonly directory: string;
  /** Writes a file and gives its path. */
  file(name: string, text: string): Promise<string>;
  /** Runs `postern`; the folder's own path is left out of what it prints. */
  run(args: readonly string[], options?: { key?: string; env?: Record<string, string> }): Promise<Run>;
  /** Applies resources over the API and gives the version that it made. */
  apply(resources: readonly object[], options?: { prune?: boolean }): Promise<string>;
  /** A further administrator's key, made by somebody who had signed in. */
  key(name: string, person?: string, role?: Role): Promise<string>;
  close(): Promise<void>;
}

export const financeNetwork = { kind: 'Network', name: 'finance', attach: { direct: true } };
export const grantsApp = {
  kind: 'App',
  name: 'grants',
  network: 'finance',
  host: 'grants.apps.example.org',
  protocol: 'http',
  upstreams: ['http://10.0.0.2:8080'],
};
export const financeGroup = { kind: 'Group', name: 'finance', members: ['alice@example.org'] };
export const policyResource = (name: string, cedar: string) => ({ kind: 'Policy', name, cedar });

export async function startPolicyLab(options: ControlLabOptions = {}): Promise<PolicyLab> {
  const control = await startControlLab(options);
  const directory = await mkdtemp(join(tmpdir(), 'postern-policy-'));
  const root = join(directory, 'root.pem');
  await writeFile(root, control.organization.rootPem);
  return {
    control,
    directory,
    async file(name, text) {
      const path = join(directory, name);
      await writeFile(path, text);
      return path;
    },
    async run(args, { key = control.apiKey, env = {} } = {}) {
      const server = {
        POSTERN_SERVER: `https://127.0.0.1:${control.port}`,
        POSTERN_API_KEY: key,
        POSTERN_CA: root,
      };
      const run = await runPostern(args, { env: { ...server, ...env } });
      return { ...run, out: run.out.replaceAll(directory, ''), err: run.err.replaceAll(directory, '') };
    },
    async apply(resources, { prune = false } = {}) {
      const answer = await control.ask('POST', '/v1/apply', { body: { resources, prune } });
      if (answer.status !== 200) throw new Error(answer.text);
      return answer.body.version as string;
    },
    async key(name, person = `${name}@example.org`, role = 'security') {
      const { key, event } = createApiKey({ name, role });
      await control.store.commit(`user:${person}`, () => ({ events: [event], value: true }));
      return key;
    },
    async close() {
      await control.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}
