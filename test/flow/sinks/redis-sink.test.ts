import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { RedisSinkSettings } from '../../../src/contract/sinks.ts';
import { readRedisAddress } from '../../../src/ledger/redis/redis-address.ts';
import { linesIn } from '../../lab/flow-records.ts';
import { hasRedis, redisHint, startRedis } from '../../lab/servers/redis.ts';
import type { RedisServer, RedisServerOptions } from '../../lab/servers/redis.ts';
import { recordEveryKind } from '../every-record.ts';
import { makeFlowDirectory, openRecorder, whenWritten } from '../flow-directory.ts';
import { allowedFacts, answered } from '../samples.ts';
import { delivered, eventually, makeDirectory, ship } from '../shipper/shipping.ts';

async function redis(options: RedisServerOptions = {}): Promise<RedisServer> {
  const server = await startRedis(options);
  onTestFinished(() => server.stop());
  return server;
}
function sinkFor({ port }: RedisServer, more: Partial<RedisSinkSettings> = {}, waitForReplicas = 0) {
  const settings: RedisSinkSettings = {
    name: 'stream',
    type: 'redis',
    from: 'beginning',
    format: 'ocsf',
    redis: { url: `redis://127.0.0.1:${port}`, prefix: 'postern', waitForReplicas },
    ...more,
  };
  return { settings, redis: readRedisAddress(settings.redis, '/') };
}
/** What is in the stream, as pairs of uid and record. */
function entriesOf(server: RedisServer): { uid: string; record: string }[] {
  const replies = JSON.parse(server.cli('--json', 'XRANGE', '{postern}:records', '-', '+')) as [
    string,
    [string, string, string, string],
  ][];
  return replies.map(([, [, uid, , record]]) => ({ uid, record }));
}

describe.skipIf(!hasRedis)(`a stream of a real Redis${redisHint}`, () => {
  test('has an entry for each record, in their order', async () => {
    const server = await redis();
    const [flows, sinks] = [makeFlowDirectory(), makeDirectory()];
    const recorder = openRecorder(flows);
    recordEveryKind(recorder);
    await whenWritten(recorder);
    const shipper = await ship(flows, sinks, [sinkFor(server)]);
    await delivered(shipper);
    expect(entriesOf(server)).toEqual(
      linesIn(flows).map((record) => ({
        uid: (JSON.parse(record) as { metadata: { uid: string } }).metadata.uid,
        record,
      })),
    );
  });

  test('goes on where it was when Redis comes back, and loses nothing that it had acknowledged', async () => {
    const server = await redis({ settings: ['appendonly yes', 'appendfsync always'] });
    const [flows, sinks] = [makeFlowDirectory(), makeDirectory()];
    const recorder = openRecorder(flows);
    const recordSome = async (): Promise<void> => {
      for (let index = 0; index < 50; index += 1) recorder.request(allowedFacts, answered);
      await whenWritten(recorder);
    };
    await recordSome();
    const shipper = await ship(flows, sinks, [sinkFor(server)]);
    await delivered(shipper);
    await server.kill();
    await recordSome();
    await eventually(() => shipper.troubles.length > 0);
    expect((await shipper.health())[0]?.problem).toMatch(/nothing listens there|connection/);
    await server.restart();
    await delivered(shipper);
    expect(new Set(entriesOf(server).map(({ record }) => record))).toEqual(new Set(linesIn(flows)));
  });

  test('keeps about as many entries as it is told', async () => {
    const server = await redis({ settings: ['stream-node-max-entries 10'] });
    const [flows, sinks] = [makeFlowDirectory(), makeDirectory()];
    const recorder = openRecorder(flows);
    for (let index = 0; index < 200; index += 1) recorder.request(allowedFacts, answered);
    await whenWritten(recorder);
    await delivered(await ship(flows, sinks, [sinkFor(server, { maxEntries: 50 })]));
    const length = Number(server.cli('XLEN', '{postern}:records'));
    expect(length).toBeGreaterThanOrEqual(50);
    expect(length).toBeLessThan(100);
  });

  test.each([
    [
      'whose memory is used up',
      { settings: ['maxmemory 1mb', 'maxmemory-policy noeviction'] },
      0,
      /its memory is used up/,
    ],
    ['without the replicas that must have them', {}, 1, /0 of 1 replicas have the records/],
  ] as const)('counts nothing as delivered at a Redis %s', async (_, options, replicas, why) => {
    const server = await redis({ ...options });
    const [flows, sinks] = [makeFlowDirectory(), makeDirectory()];
    const recorder = openRecorder(flows);
    for (let index = 0; index < 400; index += 1) recorder.request(allowedFacts, answered);
    await whenWritten(recorder);
    const shipper = await ship(flows, sinks, [sinkFor(server, {}, replicas)]);
    await eventually(() => shipper.troubles.length > 0);
    expect((await shipper.health())[0]).toMatchObject({
      delivered: 0,
      lagRecords: 400,
      problem: expect.stringMatching(why) as string,
    });
  });

  test('needs no more rights than the guide gives, and says so of one who has fewer', async () => {
    const guide = readFileSync(new URL('../../../docs/sinks.md', import.meta.url), 'utf8');
    const [, rights = ''] = /The user needs\s+`([^`]+)`/.exec(guide) ?? [];
    const server = await redis({
      settings: [`user postern on >secret ${rights}`, 'user reader on >secret ~* +@read'],
    });
    const [flows, sinks] = [makeFlowDirectory(), makeDirectory()];
    writeFileSync(join(sinks, 'password'), 'secret\n', { mode: 0o600 });
    const as = (username: string) => ({
      redis: {
        url: `redis://127.0.0.1:${server.port}`,
        prefix: 'postern',
        username,
        passwordFile: join(sinks, 'password'),
      },
      name: username,
    });
    const recorder = openRecorder(flows);
    recorder.request(allowedFacts, answered);
    await whenWritten(recorder);
    const shipper = await ship(flows, sinks, [sinkFor(server, as('postern')), sinkFor(server, as('reader'))]);
    await eventually(async () => {
      const [good, bad] = await shipper.health();
      return good?.delivered === 1 && bad?.problem !== undefined;
    });
    expect((await shipper.health())[1]?.problem).toMatch(/the user may not do this/);
    expect(entriesOf(server)).toHaveLength(1);
  });

  test('says so where the key is something else', async () => {
    const server = await redis();
    server.cli('SET', '{postern}:records', 'x');
    const [flows, sinks] = [makeFlowDirectory(), makeDirectory()];
    const recorder = openRecorder(flows);
    recorder.request(allowedFacts, answered);
    await whenWritten(recorder);
    const shipper = await ship(flows, sinks, [sinkFor(server)]);
    await eventually(() => shipper.troubles.length > 0);
    expect((await shipper.health())[0]?.problem).toMatch(
      /\{postern\}:records holds something else than a stream/,
    );
  });
});
