import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { X509Certificate } from 'node:crypto';
import { afterEach, expect, it, vi } from 'vitest';
import { parseDocument } from 'yaml';
import { createKeyAndRequest } from '../../certs/request.ts';
import type { ControlMessage, ControlToWorker, SupervisorToControl } from '../../src/contract/ipc.ts';
import type { LedgerEntry } from '../../src/domain/events.ts';
import { createStateFollower } from '../../src/ledger/state-follower.ts';
import { app, network } from '../lab/resources.ts';
import { makeInstallation } from './installation.ts';
import type { Installation } from './installation.ts';

// Each test starts several processes, and a busy machine takes its time.
vi.setConfig({ testTimeout: 90_000 });

const program = fileURLToPath(new URL('../../src/control/main.ts', import.meta.url));

/** The control process as a supervisor sees it: a child and the messages on its channel. */
interface Process {
  readonly child: ChildProcess;
  readonly messages: ControlMessage[];
  readonly errors: () => string;
  send(message: SupervisorToControl): void;
  /** The next message that fits, among those that came already too. */
  see<Type extends ControlMessage['type']>(
    type: Type,
    fits?: (message: Extract<ControlMessage, { type: Type }>) => boolean,
  ): Promise<Extract<ControlMessage, { type: Type }>>;
  /** The next change that a worker is told of, after what it is told at its start. */
  change(worker: number): Promise<readonly LedgerEntry[]>;
  toWorker<Type extends ControlToWorker['type']>(
    worker: number,
    type: Type,
  ): Promise<Extract<ControlToWorker, { type: Type }>>;
  ended(): Promise<number | null>;
}

const ends: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

async function installation(passphrase?: string): Promise<Installation> {
  const made = await makeInstallation(passphrase);
  ends.push(made.remove);
  return made;
}

function start(
  { configFile }: Installation,
  role: 'all' | 'gateway' | 'control' = 'all',
  passphrase?: string,
): Process {
  const child = fork(program, { serialization: 'advanced', stdio: ['ignore', 'ignore', 'pipe', 'ipc'] });
  const exit = once(child, 'exit') as Promise<[number | null]>;
  const messages: ControlMessage[] = [];
  const lookers = new Set<() => void>();
  child.on('message', (message: ControlMessage) => {
    messages.push(message);
    for (const look of lookers) look();
  });
  let errors = '';
  child.stderr?.on('data', (chunk: Buffer) => (errors += chunk.toString()));
  const process: Process = {
    child,
    messages,
    errors: () => errors,
    send: (message) => void child.send(message),
    see: (type, fits = () => true) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          const found = messages.find((message) => message.type === type && fits(message as never));
          if (found === undefined) return;
          lookers.delete(look);
          resolve(found as never);
        };
        lookers.add(look);
        look();
        exit.then(([code]) => reject(new Error(`ended with ${code}: ${errors}`))).catch(reject);
      }),
    async change(worker) {
      const isChange = (message: ControlMessage): boolean =>
        message.type === 'for-worker' && message.worker === worker && message.message.type === 'ledger';
      await process.toWorker(worker, 'ledger');
      await process.see('for-worker', (message) => isChange(message) && messages.filter(isChange).length > 1);
      const last = messages.findLast(isChange);
      return last?.type === 'for-worker' && last.message.type === 'ledger' ? last.message.entries : [];
    },
    async toWorker(worker, type) {
      const found = await process.see(
        'for-worker',
        (message) => message.worker === worker && message.message.type === type,
      );
      return found.message as never;
    },
    ended: async () => (await exit)[0],
  };
  ends.push(async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
    await exit;
  });
  process.send({ type: 'start', configFile, bootId: 'boot-1', role, passphrase });
  return process;
}

const operator = async (port: number, path: string) => {
  const response = await fetch(`http://127.0.0.1:${port}${path}`);
  return { status: response.status, text: await response.text() };
};

it('starts a worker with all that it needs, follows it with entries, and is ready when the worker is', async () => {
  const made = await installation();
  const control = start(made);
  const { controlPort, operatorPort } = await control.see('ready');
  expect(controlPort).toBeGreaterThan(0);
  expect(await operator(operatorPort, '/healthz')).toEqual({ status: 200, text: 'ok\n' });
  expect(await operator(operatorPort, '/readyz')).toMatchObject({
    status: 503,
    text: '{"ready":false,"waitingFor":["workers"]}\n',
  });

  control.send({ type: 'from-worker', worker: 3, message: { type: 'hello' } });
  const { start: given } = await control.toWorker(3, 'start');
  expect(given).toMatchObject({ bootId: 'boot-1', workerNumber: 3, snapshot: { domain: 'example.org' } });
  expect(given.settings.gateway.port).toBeGreaterThan(0);
  const certificate = new X509Certificate(given.gatewayCertificatePem);
  expect(certificate.subjectAltName).toBe('DNS:gateway.example.org');
  expect(certificate.verify(new X509Certificate(given.serviceAuthorityPem).publicKey)).toBe(true);
  expect(given.snapshot.signingKeys.get(given.assertionKey.kid)?.use).toBe('assertion');
  control.send({ type: 'worker-ready', worker: 3, port: given.settings.gateway.port });
  control.send({
    type: 'from-worker',
    worker: 3,
    message: {
      type: 'counters',
      counters: {
        connections: 7,
        flowsOpen: 1,
        requestsTotal: 9,
        refusalsTotal: { 'application-unknown': 2, 'made-up"}': 3 },
        recordsWritten: 9,
        records: { isFull: false, bytes: 9, dropped: { requests: 0, tunnels: 0 } },
        residentBytes: 1,
      },
    },
  });

  const follower = createStateFollower(given.snapshot);
  const applied = made.api(controlPort ?? 0, 'POST', '/v1/apply', {
    resources: [network({ attach: { direct: true } }), app()],
  });
  const entries = await control.change(3);
  follower.apply(entries);
  expect([...follower.state.apps.keys()]).toEqual(['grants']);
  control.send({
    type: 'from-worker',
    worker: 3,
    message: { type: 'applied', sequence: follower.state.head.sequence },
  });
  expect(await applied).toMatchObject({ status: 200, body: { applied: true } });

  expect(await operator(operatorPort, '/readyz')).toMatchObject({ status: 200 });
  const { text } = await operator(operatorPort, '/metrics');
  expect(text).toContain('postern_ready 1');
  expect(text).toContain('postern_worker_connections{worker="3"} 7');
  expect(text).toContain('postern_worker_refusals_total{worker="3",code="application-unknown"} 2');
  expect(text).toContain('postern_worker_refusals_total{worker="3",code="other"} 3');
  expect(text).not.toContain('made-up');
  control.send({ type: 'worker-gone', worker: 3 });
  await expect
    .poll(async () => (await operator(operatorPort, '/readyz')).status, { timeout: 20_000 })
    .toBe(503);
});

it.each([
  [['requests'], 503, '{"ready":false,"waitingFor":["room for flow records"]}\n'],
  [['requests', 'tunnels'], 200, '{"ready":true,"waitingFor":[]}\n'],
] as const)(
  'without room for records, of which %j may be left out, is as ready as it lets flows pass',
  async (dropAtBound, status, text) => {
    const made = await installation();
    const settings = parseDocument(await readFile(made.configFile, 'utf8'));
    settings.set('flows', { minFreeBytes: 0, dropAtBound });
    await writeFile(made.configFile, String(settings));
    const control = start(made);
    const { operatorPort } = await control.see('ready');
    control.send({ type: 'from-worker', worker: 3, message: { type: 'hello' } });
    const { start: given } = await control.toWorker(3, 'start');
    control.send({
      type: 'from-worker',
      worker: 3,
      message: {
        type: 'counters',
        counters: {
          connections: 0,
          flowsOpen: 0,
          requestsTotal: 0,
          refusalsTotal: {},
          recordsWritten: 0,
          records: { isFull: true, bytes: 9, dropped: { requests: 0, tunnels: 0 } },
          residentBytes: 1,
        },
      },
    });
    control.send({ type: 'worker-ready', worker: 3, port: given.settings.gateway.port });
    await expect.poll(() => operator(operatorPort, '/readyz'), { timeout: 20_000 }).toEqual({ status, text });
  },
);

it('tells what may be dialled before a worker hears of the app, and again when that changes', async () => {
  const made = await installation();
  const control = start(made);
  const { controlPort = 0 } = await control.see('ready');
  expect(await control.see('networks')).toMatchObject({ networks: [] });
  control.send({ type: 'from-worker', worker: 0, message: { type: 'hello' } });
  await control.toWorker(0, 'start');
  const resources = [network({ attach: { direct: true } }), app()];
  const answer = made.api(controlPort, 'POST', '/v1/apply', { resources });
  const entries = await control.change(0);
  control.send({
    type: 'from-worker',
    worker: 0,
    message: { type: 'applied', sequence: entries.at(-1)?.sequence ?? 0 },
  });
  await answer;
  const order = control.messages.map((message) =>
    message.type === 'for-worker' ? message.message.type : message.type,
  );
  expect(order.lastIndexOf('networks')).toBeLessThan(order.lastIndexOf('ledger'));
  const last = control.messages.findLast((message) => message.type === 'networks');
  expect(last).toMatchObject({
    networks: [{ name: 'finance', upstreams: [{ host: '10.0.0.2', port: 8080 }] }],
  });
});

it('certifies a worker’s key for the host of an app, and for nothing that is no app', async () => {
  const made = await installation();
  const control = start(made);
  const { controlPort = 0 } = await control.see('ready');
  await made.api(controlPort, 'POST', '/v1/apply', {
    resources: [network({ attach: { direct: true } }), app()],
  });
  const { csrPem: csr } = await createKeyAndRequest();
  control.send({
    type: 'from-worker',
    worker: 1,
    message: { type: 'certify-app', id: 1, app: 'grants', csr },
  });
  const { certificatePem } = await control.toWorker(1, 'app-certificate');
  expect(new X509Certificate(certificatePem).subjectAltName).toBe('DNS:grants.apps.example.org');
  control.send({
    type: 'from-worker',
    worker: 2,
    message: { type: 'certify-app', id: 2, app: 'gateway', csr },
  });
  expect(await control.toWorker(2, 'app-certificate-refused')).toMatchObject({
    id: 2,
    detail: 'there is no app gateway',
  });
  control.send({
    type: 'from-worker',
    worker: 4,
    message: { type: 'certify-app', id: 3, app: 'grants', csr: 'nonsense' },
  });
  expect(await control.toWorker(4, 'app-certificate-refused')).toMatchObject({ id: 3 });
});

it('gives a worker that says hello again the newest state, and waits for it as for any other', async () => {
  const made = await installation();
  const control = start(made);
  const { controlPort = 0 } = await control.see('ready');
  control.send({ type: 'from-worker', worker: 5, message: { type: 'hello' } });
  await control.toWorker(5, 'start');
  const apply = (name: string) =>
    made.api(controlPort, 'POST', '/v1/apply', { resources: [{ kind: 'Group', name, members: [] }] });
  const first = apply('one');
  const entries = await control.change(5);
  const sequence = entries.at(-1)?.sequence ?? 0;
  control.send({ type: 'from-worker', worker: 5, message: { type: 'applied', sequence } });
  expect((await first).status).toBe(200);
  control.messages.length = 0;
  control.send({ type: 'from-worker', worker: 5, message: { type: 'hello' } });
  const again = await control.toWorker(5, 'start');
  expect([...again.start.snapshot.groups.keys()]).toEqual(['one']);
  expect(again.start.snapshot.head.sequence).toBe(sequence);
});

it('opens encrypted keys with their passphrase, and ends with 2 for another one', async () => {
  const made = await installation('correct horse');
  const control = start(made, 'control', 'correct horse');
  await control.see('ready');
  const wrong = start(made, 'control', 'battery staple');
  expect(await wrong.ended()).toBe(2);
  expect(wrong.messages).toEqual([{ type: 'fatal', detail: expect.stringContaining('wrong passphrase') }]);
  const none = start(made, 'control');
  expect(await none.ended()).toBe(2);
  expect(none.messages).toEqual([
    { type: 'fatal', detail: expect.stringContaining('no passphrase was given') },
  ]);
});

it('drains to exit code 0, and the next start has all that was applied', async () => {
  const made = await installation();
  const first = start(made);
  const { controlPort = 0 } = await first.see('ready');
  await made.api(controlPort, 'POST', '/v1/apply', {
    resources: [{ kind: 'Group', name: 'staff', members: ['alice@example.org'] }],
  });
  first.send({ type: 'drain' });
  expect(await first.ended()).toBe(0);
  const second = start(made);
  const ready = await second.see('ready');
  expect(await made.api(ready.controlPort ?? 0, 'GET', '/v1/resources/group/staff')).toMatchObject({
    status: 200,
  });
});

it('does not start beside another of its role on one data directory', async () => {
  const made = await installation();
  await start(made).see('ready');
  const second = start(made);
  expect(await second.see('fatal')).toMatchObject({
    detail: expect.stringMatching(/^another process signs the records in .*flows: run one/) as string,
  });
  expect(await second.ended()).toBe(2);
});

it('follows the ledger of another process in the role of a gateway, and has no API', async () => {
  const made = await installation();
  const control = start(made, 'control');
  const gateway = start(made, 'gateway');
  const [{ controlPort = 0 }, ready] = await Promise.all([control.see('ready'), gateway.see('ready')]);
  expect(ready.controlPort).toBeUndefined();
  gateway.send({ type: 'from-worker', worker: 0, message: { type: 'hello' } });
  await gateway.toWorker(0, 'start');
  await made.api(controlPort, 'POST', '/v1/apply', {
    resources: [{ kind: 'Group', name: 'staff', members: [] }],
  });
  const entries = await gateway.change(0);
  expect(entries.map(({ data }) => (JSON.parse(data) as { type: string }).type)).toEqual(['resource-put']);
  expect(await operator((await control.see('ready')).operatorPort, '/readyz')).toMatchObject({ status: 200 });
});

it.each([
  [
    'the format of another version',
    async (made: Installation) => writeFile(join(made.data, 'FORMAT'), 'postern-data-9\n'),
    /has the format "postern-data-9".*reads postern-data-1 only/,
  ],
  [
    'a key that others may read',
    async (made: Installation) =>
      (await import('node:fs/promises')).chmod(join(made.data, 'keys/device-authority.key'), 0o644),
    /chmod 600/,
  ],
  [
    'a setting that is not known',
    async (made: Installation) =>
      writeFile(made.configFile, `${await readFile(made.configFile, 'utf8')}\nsurprise: 1\n`),
    /postern\.yaml:\d+: surprise: unknown key/,
  ],
  [
    'a ledger that was cut off',
    async (made: Installation) => (await import('node:fs/promises')).rm(join(made.data, 'ledger.db')),
    /no ledger at/,
  ],
])('says so, once, and ends with 2 for %s', async (_what, damage, says) => {
  const made = await installation();
  await damage(made);
  const control = start(made);
  expect(await control.ended()).toBe(2);
  // The supervisor is who tells people.
  expect(control.errors()).toBe('');
  expect(control.messages).toEqual([{ type: 'fatal', detail: expect.stringMatching(says) }]);
});
