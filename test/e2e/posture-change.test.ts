import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { AddressInfo, Server } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { parseDocument } from 'yaml';
import { startAgent } from '../../agent/agent.ts';
import type { RunningAgent } from '../../agent/agent.ts';
import { systemClock } from '../../agent/clock.ts';
import { enrollDevice } from '../../agent/enrollment/enroll.ts';
import { connectThrough, readUntil } from '../agent/lab/proxy-client.ts';
import { postureOf, silent } from '../agent/lab/world.ts';
import { makeInstallation } from '../control/installation.ts';
import type { Installation } from '../control/installation.ts';
import { recordsIn } from '../lab/flow-records.ts';

// Several processes, on a machine that may be busy.
vi.setConfig({ testTimeout: 90_000, hookTimeout: 90_000 });

const program = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
let made: Installation;
let server: ChildProcess;
let echo: Server;
let agent: RunningAgent;
let healthy = true;
/** When the agent first saw that it is no longer healthy, in milliseconds. */
let seenAt: number | undefined;

beforeAll(async () => {
  echo = createServer((socket) => socket.on('error', () => undefined).pipe(socket));
  echo.listen(0, '127.0.0.1');
  await once(echo, 'listening');

  made = await makeInstallation();
  const settings = parseDocument(await readFile(made.configFile, 'utf8'));
  settings.setIn(['gateway', 'addresses'], ['127.0.0.1:0']);
  await writeFile(made.configFile, String(settings));
  server = spawn(process.execPath, [program, 'serve', '--config', made.configFile, '--workers', '1'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  if (server.stdout === null) throw new TypeError('no output');
  const [line] = (await once(createInterface({ input: server.stdout }), 'line')) as [string];
  const control = Number(/control=\S+?:(\d+)/.exec(line)?.[1]);
  const { port } = echo.address() as AddressInfo;
  const app = (name: string) => ({
    kind: 'App',
    name,
    network: 'office',
    host: `${name}.apps.example.org`,
    protocol: 'tcp',
    ports: [7000],
    upstreams: [`tcp://127.0.0.1:${port}`],
  });
  const applied = await made.api(control, 'POST', '/v1/apply', {
    resources: [
      { kind: 'Network', name: 'office', attach: { direct: true } },
      app('payroll'),
      app('wiki'),
      {
        kind: 'Policy',
        name: 'healthy',
        cedar:
          'permit (principal, action, resource == App::"payroll") when { context.posture.diskEncrypted };',
      },
      { kind: 'Policy', name: 'anyone', cedar: 'permit (principal, action, resource == App::"wiki");' },
    ],
  });
  expect(applied).toMatchObject({ status: 200 });
  const { body } = await made.api(control, 'POST', '/v1/enrollment-tokens', { user: 'alice@example.org' });

  const directory = join(made.directory, 'laptop');
  await enrollDevice({
    url: `https://127.0.0.1:${control}`,
    token: String(body.token),
    directory,
    force: false,
    proxyPort: 0,
    clock: systemClock,
  });
  const connected = Promise.withResolvers<void>();
  agent = await startAgent({
    directory,
    posture: {
      measure: () => {
        if (!healthy) seenAt ??= performance.now();
        return postureOf(healthy).measure();
      },
    },
    clock: systemClock,
    random: () => 0.5,
    log: silent,
    language: 'en',
    timings: { pingIntervalMs: 250 },
    onState: ({ state }) => {
      if (state === 'connected') connected.resolve();
    },
  });
  await connected.promise;
});
afterAll(async () => {
  await agent.stop();
  const exited = once(server, 'exit');
  server.kill('SIGTERM');
  await exited;
  echo.close();
  await made.remove();
});

async function open(name: string) {
  const { socket, status } = await connectThrough(agent.port, `${name}.apps.example.org:7000`);
  expect(status).toBe(200);
  const closed = new Promise<number>((resolve) => {
    for (const ending of ['end', 'close']) socket.once(ending, () => resolve(performance.now()));
  });
  const say = async (text: string): Promise<string> => {
    socket.write(text);
    return readUntil(socket, text);
  };
  expect(await say('hello')).toBe('hello');
  return { socket, closed, say };
}

it('cuts the live flows that a posture allowed once the agent sees it get worse, and no others', async ({
  annotate,
}) => {
  const [payroll, wiki] = [await open('payroll'), await open('wiki')];
  payroll.socket.resume();
  healthy = false;
  const closedAt = await payroll.closed;
  await annotate(`cut ${Math.round(closedAt - (seenAt ?? Number.NaN))} ms after the agent saw it`);
  expect(await wiki.say('still here')).toBe('still here');
  const refused = await connectThrough(agent.port, 'payroll.apps.example.org:7000');
  expect(refused.status).toBe(403);
  refused.socket.destroy();

  // Better again: the next flow passes, without anybody having restarted anything.
  healthy = true;
  let again = await connectThrough(agent.port, 'payroll.apps.example.org:7000');
  while (again.status !== 200) {
    again.socket.destroy();
    again = await connectThrough(agent.port, 'payroll.apps.example.org:7000');
  }
  again.socket.destroy();
  wiki.socket.destroy();

  const cut = recordsIn(join(made.data, 'flows')).filter(
    (record) => (record as { status_code?: string }).status_code === 'grant-ended',
  );
  expect(cut).toMatchObject([
    { unmapped: { postern: { app: 'payroll', decision: 'deny', posture: { diskEncrypted: false } } } },
  ]);
});
