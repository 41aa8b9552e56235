import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { NetworkRegistration } from '../../src/contract/ipc.ts';
import {
  createNamespace,
  namespacesAvailable,
  titleWithNamespaces,
  unusedNamespaceName,
} from '../lab/namespaces.ts';
import { dial, startServing } from './server.ts';

const servers = join(import.meta.dirname, '../lab/servers');
const greeter = join(servers, 'greeter.ts');
const nameServer = join(servers, 'name-server.ts');
const upstream = { host: '10.0.0.2', port: 22 };

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});
const namespace = (...args: Parameters<typeof createNamespace>) => {
  const made = createNamespace(...args);
  closing.push(() => made.remove());
  return made;
};
const serving = async (...args: Parameters<typeof startServing>) => {
  const server = await startServing(...args);
  closing.push(() => server.close());
  return server;
};
const inNamespace = (
  name: string,
  netns: string,
  more: Partial<NetworkRegistration> = {},
): NetworkRegistration => ({ name, attach: { netns }, dns: [], upstreams: [upstream], ...more });

describe.runIf(namespacesAvailable())(titleWithNamespaces('private networks in namespaces'), () => {
  it('answers from its own network where two use the same addresses', async () => {
    const [finance, school] = [namespace(['10.0.0.2']), namespace(['10.0.0.2'])];
    await finance.run(greeter, ['10.0.0.2', '22', 'finance']);
    await school.run(greeter, ['10.0.0.2', '22', 'school']);
    const { worker } = await serving([
      inNamespace('finance', finance.name),
      inNamespace('school', school.name),
    ]);
    const asked = Array.from({ length: 50 }, (_, index) => (index % 2 === 0 ? 'finance' : 'school'));
    const answers = await Promise.all(asked.map((name) => dial(worker, name, upstream)));
    expect(answers.map(({ banner }) => banner)).toEqual(asked.map((name) => `${name}\r\n`));
  });

  it('does not reach an address that only another network has', async () => {
    const [finance, school] = [namespace(['10.0.0.2']), namespace(['10.0.0.3'])];
    await finance.run(greeter, ['10.0.0.2', '22', 'finance']);
    const { worker } = await serving([
      inNamespace('finance', finance.name),
      inNamespace('school', school.name),
    ]);
    expect(await dial(worker, 'finance', upstream)).toMatchObject({ banner: 'finance\r\n' });
    expect(await dial(worker, 'school', upstream)).toMatchObject({ failure: 'unreachable' });
  });

  it('names the command that makes a missing namespace, and works as soon as it was given', async () => {
    const name = unusedNamespaceName();
    const { worker } = await serving([inNamespace('finance', name)]);
    expect(await dial(worker, 'finance', upstream)).toEqual({
      event: 'dial-error',
      failure: 'connector-unavailable',
      detail: `there is no network namespace ${name}: make it with \`ip netns add ${name}\``,
    });
    const made = namespace(['10.0.0.2'], name);
    await made.run(greeter, ['10.0.0.2', '22', 'finance']);
    expect(await dial(worker, 'finance', upstream)).toMatchObject({ banner: 'finance\r\n' });
  });

  it('times out on an address that swallows packets, and serves others meanwhile', async () => {
    const finance = namespace(['10.0.0.2']);
    // To loopback and not for it: the kernel drops such packets without a word.
    execFileSync('ip', ['-n', finance.name, 'route', 'add', '10.9.0.0/24', 'dev', 'lo']);
    await finance.run(greeter, ['10.0.0.2', '22', 'finance']);
    const hole = { host: '10.9.0.2', port: 22 };
    const { worker } = await serving(
      [inNamespace('finance', finance.name, { upstreams: [upstream, hole] })],
      {
        dialTimeoutMs: 500,
      },
    );
    const silent = dial(worker, 'finance', hole);
    expect(await dial(worker, 'finance', upstream)).toMatchObject({ banner: 'finance\r\n' });
    expect(await silent).toMatchObject({ failure: 'timeout' });
    expect(await dial(worker, 'finance', upstream)).toMatchObject({ banner: 'finance\r\n' });
  });

  it('resolves names by the resolver inside, where two networks give one name to two addresses', async () => {
    const [finance, school] = [namespace(['10.0.0.2', '10.0.0.53']), namespace(['10.0.0.3', '10.0.0.53'])];
    await finance.run(nameServer, ['10.0.0.53', '53', 'db.internal=10.0.0.2']);
    await school.run(nameServer, ['10.0.0.53', '53', 'db.internal=10.0.0.3']);
    await finance.run(greeter, ['10.0.0.2', '5432', 'finance']);
    await school.run(greeter, ['10.0.0.3', '5432', 'school']);
    const db = { host: 'db.internal', port: 5432 };
    const more = { dns: ['10.0.0.53'], upstreams: [db, { host: 'absent.internal', port: 1 }] };
    const { worker } = await serving([
      inNamespace('finance', finance.name, more),
      inNamespace('school', school.name, more),
    ]);
    expect(await dial(worker, 'finance', db)).toMatchObject({ banner: 'finance\r\n', address: '10.0.0.2' });
    expect(await dial(worker, 'school', db)).toMatchObject({ banner: 'school\r\n', address: '10.0.0.3' });
    expect(await dial(worker, 'school', { host: 'absent.internal', port: 1 })).toEqual({
      event: 'dial-error',
      failure: 'name-unresolved',
      detail: 'absent.internal by 10.0.0.53: ENOTFOUND',
    });
  });
});
