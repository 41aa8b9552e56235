import { readFile, writeFile } from 'node:fs/promises';
import { expect } from 'vitest';
import { parseDocument } from 'yaml';
import { makeInstallation } from '../control/installation.ts';
import type { App } from '../../src/domain/resources.ts';
import type { Installation } from '../control/installation.ts';
import { startServing } from '../lab/serving.ts';
import type { Serving } from '../lab/serving.ts';

/** A real `postern serve` with one private network on this machine, in which every application is. */
export interface Office {
  readonly made: Installation;
  readonly server: Serving;
  /** Of the control plane. */
  readonly url: string;
  /** Adds an application of the office that every user may use. */
  addApp(app: {
    readonly name: string;
    readonly protocol: string;
    readonly ports?: readonly number[];
    readonly upstream: string;
    readonly inspect?: App['inspect'];
    readonly dataLoss?: App['dataLoss'];
  }): Promise<void>;
  /** A one-time enrollment token. */
  invite(user: string): Promise<string>;
  close(): Promise<void>;
}

export async function startOffice(): Promise<Office> {
  const made = await makeInstallation();
  const settings = parseDocument(await readFile(made.configFile, 'utf8'));
  settings.setIn(['gateway', 'addresses'], ['127.0.0.1:0']);
  await writeFile(made.configFile, String(settings));
  const server = await startServing(made.configFile, 'all');
  const control = server.portOf('control');
  const apply = async (resources: readonly object[]): Promise<void> =>
    expect(await made.api(control, 'POST', '/v1/apply', { resources })).toMatchObject({ status: 200 });
  await apply([{ kind: 'Network', name: 'office', attach: { direct: true } }]);
  return {
    made,
    server,
    url: `https://127.0.0.1:${control}`,
    addApp: ({ name, upstream, ...app }) =>
      apply([
        {
          kind: 'App',
          name,
          network: 'office',
          host: `${name}.apps.example.org`,
          upstreams: [upstream],
          ...app,
        },
        {
          kind: 'Policy',
          name: `${name}-everyone`,
          cedar: `permit (principal, action, resource == App::"${name}");`,
        },
      ]),
    invite: async (user) => {
      const { body } = await made.api(control, 'POST', '/v1/enrollment-tokens', { user });
      return String(body.token);
    },
    close: async () => {
      await server.kill();
      await made.remove();
    },
  };
}
