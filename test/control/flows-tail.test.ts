import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { request } from 'node:https';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterEach, beforeEach, expect, it, onTestFinished, vi } from 'vitest';
import { readEvents } from '../../src/cli/event-stream.ts';
import { liveEvents } from '../../src/control/api/live-events.ts';
import type { SpoolingFlowRecorder } from '../../src/flow/recorder.ts';
import { openRecorder, whenWritten } from '../flow/flow-directory.ts';
import { allowedFacts, answered, deniedFacts, refused } from '../flow/samples.ts';
import { startControlLab } from './control-lab.ts';
import type { ControlLab } from './control-lab.ts';

let lab: ControlLab;
let recorder: SpoolingFlowRecorder;
beforeEach(async () => {
  lab = await startControlLab();
  const flows = join(lab.directory, 'flows');
  mkdirSync(flows);
  recorder = openRecorder(flows);
});
afterEach(() => lab.close());

interface Follower {
  readonly status: number;
  /** All that was told so far. */
  readonly text: () => string;
  readonly ended: Promise<unknown>;
}

async function follow(path: string, key: string): Promise<Follower> {
  const outgoing = request({
    host: '127.0.0.1',
    port: lab.port,
    path,
    agent: false,
    servername: 'localhost',
    ca: lab.organization.rootPem,
    headers: { authorization: `Bearer ${key}` },
  });
  onTestFinished(() => void outgoing.destroy());
  outgoing.end();
  const [response] = (await once(outgoing, 'response')) as [IncomingMessage];
  let text = '';
  response.on('data', (chunk: Buffer) => (text += chunk.toString()));
  response.on('error', () => undefined);
  return { status: response.statusCode ?? 0, text: () => text, ended: once(response, 'close') };
}

/** Records one after the other until one is seen: it follows from when its process looks, which nobody is told. */
async function recordUntil(isSeen: () => boolean): Promise<void> {
  await vi.waitFor(
    async () => {
      recorder.request(deniedFacts, refused);
      recorder.request(allowedFacts, answered);
      await whenWritten(recorder);
      expect(isSeen()).toBe(true);
    },
    { timeout: 20_000, interval: 50 },
  );
}

it('tells the SOC what fits, as it is recorded, and nobody who may not read it', async () => {
  const key = await lab.makeKey({ role: 'soc' });
  const follower = await follow('/v1/flows/tail?verdict=denied', key);
  expect(follower.status).toBe(200);
  await recordUntil(() => follower.text().includes('data: '));
  const flows = [...follower.text().matchAll(/^data: (.*)$/gm)].map(
    ([, data = '']) => JSON.parse(data) as object,
  );
  for (const flow of flows) expect(flow).toMatchObject({ verdict: 'denied', user: 'alice@example.org' });
  expect(await follow('/v1/flows/tail', await lab.makeKey({ role: 'helpdesk' }))).toMatchObject({
    status: 403,
  });
  const { body } = await lab.ask('GET', '/v1/access-log');
  expect(body.accesses).toMatchObject([{ operation: 'GET /v1/flows/tail', target: { verdict: 'denied' } }]);
});

it('tells nothing more to a key that was revoked', async () => {
  const key = await lab.makeKey({ role: 'soc' });
  const follower = await follow('/v1/flows/tail', key);
  await recordUntil(() => follower.text().includes('data: '));
  await lab.ask('DELETE', `/v1/api-keys/${key.split('.')[1]}`);
  await follower.ended;
  expect(follower.text()).toMatch(/event: end\ndata: \{"code":"api-key-invalid"\}\n\n$/);
});

it('ends when the server stops', async () => {
  const follower = await follow('/v1/flows/tail', lab.apiKey);
  await lab.app.close();
  await follower.ended;
  expect(follower.text()).toMatch(/^: follows\n\n/);
});

it('reads no further than a slow reader has taken, and asks again before it shows more', async () => {
  let read = 0;
  let refusal: string | undefined;
  async function* lines(): AsyncIterable<string> {
    for (;;) {
      read += 1;
      yield 'x'.repeat(1000);
    }
  }
  const events = liveEvents({
    lines: lines(),
    signal: new AbortController().signal,
    tickMs: 1,
    refusal: async () => refusal,
  });
  const stream = Readable.from(events, { objectMode: false, highWaterMark: 16_384 });
  await once(stream, 'readable');
  for (let turn = 0; turn < 1000; turn += 1) await new Promise(setImmediate);
  expect(read).toBeLessThan(40);
  refusal = 'api-key-invalid';
  let text = '';
  for await (const chunk of stream) text += String(chunk);
  expect(text).toMatch(/event: end\n/);
  expect(read).toBeLessThan(50);
});

it('says that it is still there while nothing comes', async () => {
  const end = new AbortController();
  async function* nothing(): AsyncIterable<string> {
    await once(end.signal, 'abort');
    yield* [];
  }
  const told: string[] = [];
  for await (const event of liveEvents({
    lines: nothing(),
    signal: end.signal,
    tickMs: 1,
    refusal: async () => undefined,
  })) {
    told.push(event);
    if (told.length === 3) end.abort();
  }
  expect(told).toEqual([': follows\n\n', ': still here\n\n', ': still here\n\n']);
});

it('is read by the command, which says what was refused and what broke off', async () => {
  const target = (apiKey: string) => ({
    origin: `https://localhost:${lab.port}`,
    apiKey,
    ca: lab.organization.rootPem,
  });
  const key = await lab.makeKey({ role: 'auditor' });
  const end = new AbortController();
  const seen: string[] = [];
  const reading = (async () => {
    for await (const { event, data } of readEvents(target(key), '/v1/flows/tail?app=grants', end.signal)) {
      seen.push(event, data);
      end.abort();
    }
  })();
  await recordUntil(() => seen.length > 0);
  await reading;
  expect(seen[0]).toBe('message');
  expect(JSON.parse(seen[1] ?? '')).toMatchObject({
    app: 'grants',
    record: expect.stringContaining('"class_uid":4002'),
  });
  const first = (apiKey: string) =>
    readEvents(target(apiKey), '/v1/flows/tail', new AbortController().signal)[Symbol.asyncIterator]().next();
  await expect(first(await lab.makeKey({ role: 'helpdesk' }))).rejects.toMatchObject({
    exitCode: 1,
    code: 'role-missing',
  });
  await lab.app.close();
  await expect(first(key)).rejects.toMatchObject({
    exitCode: 3,
    message: expect.stringContaining('nothing listens'),
  });
});
