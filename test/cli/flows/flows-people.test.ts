import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import type { DeviceId, FlowId, UserName } from '../../../src/domain/ids.ts';
import { createFlowRecorder } from '../../../src/flow/recorder.ts';
import { answered, connection, refused, request, subject } from '../../flow/samples.ts';
import { linesIn, recordsIn } from '../../lab/flow-records.ts';
import { app } from '../../lab/resources.ts';
import { financeGroup, financeNetwork, policyResource, startPolicyLab } from '../policy-lab.ts';
import type { PolicyLab } from '../policy-lab.ts';

// Each test starts several processes, and a busy machine takes its time.
vi.setConfig({ testTimeout: 90_000, hookTimeout: 90_000 });

const [alice, bob] = ['alice@example.org', 'bob@example.org'];
let lab: PolicyLab;
let flows: string;
const names = new Map<string, string>();

/** Flows of two people on laptops of their own, whom the records call by pseudonyms. */
beforeAll(async () => {
  lab = await startPolicyLab({ pseudonyms: true });
  const { control } = lab;
  await lab.apply([
    financeNetwork,
    app(),
    financeGroup,
    policyResource('finance', 'permit (principal in Group::"finance", action, resource == App::"grants");'),
  ]);
  control.pass(-2 * 3_600_000);
  const devices = new Map<string, string>();
  for (const user of [alice, bob]) {
    const { device } = await control.enroll(user);
    await control.ask('POST', `/v1/devices/${device}/state`, { body: { state: 'active', reason: 'seen' } });
    devices.set(user, device);
    names.set(user, (await control.parts.people?.pseudonym(user, Date.now())) ?? '');
  }
  control.pass(2 * 3_600_000);
  await symlink(join(control.directory, 'access'), join(lab.directory, 'access'));
  flows = join(lab.directory, 'flows');
  await mkdir(flows);
  const recorder = createFlowRecorder({
    directory: flows,
    gateway: 'gateway.example.org',
    domain: 'example.org',
    bootId: 'boot',
    worker: 1,
    productVersion: '0.1.0',
  });
  const facts = (user: string, number: number) => {
    const device = devices.get(user) as DeviceId;
    const token = { ...subject.token, id: `token-${user.slice(0, 3)}`, user: user as UserName, device };
    return {
      id: `${user.slice(0, 3)}-${number}` as FlowId,
      connection: {
        ...connection,
        certificate: {
          ...connection.certificate,
          device,
          serial: '1',
          issuer: 'x',
          thumbprint: 'A'.repeat(43),
          notBefore: 0,
          notAfter: 1,
        },
      },
      startedAt: Date.now() - 3_600_000,
      subject: {
        certificate: { ...subject.certificate, device },
        token: { ...token, pseudonym: names.get(user) },
      },
      app: app(),
      request,
    };
  };
  const decision = { effect: 'allow', policies: ['finance'], policyVersion: '1-00000000' } as const;
  for (const number of [1, 2]) recorder.request({ ...facts(alice, number), decision }, answered);
  const denied = {
    effect: 'deny',
    reasons: ['no-policy-permits'],
    policies: [],
    policyVersion: '1-00000000',
  } as const;
  recorder.request({ ...facts(bob, 1), decision: denied }, refused);
  const { subject: _, app: __, request: ___, ...handshake } = facts(alice, 3);
  recorder.authentication(handshake, answered);
  recorder.close();
});
afterAll(() => lab.close());

const run = (...args: string[]) => lab.run(args);
const data = () => ['--data', lab.directory];

it('records name nobody, and policies that go by names are replayed all the same', async () => {
  expect(linesIn(flows).join('')).not.toMatch(/alice@|bob@/);
  expect(recordsIn(flows).map(({ unmapped }) => unmapped.postern['user'])).toEqual([
    names.get(alice),
    names.get(alice),
    names.get(bob),
    null,
  ]);
  const proposal = await lab.file('proposal.yaml', `kind: Group\nname: finance\nmembers: [${bob}]\n`);
  const replayed = await run('policy', 'replay', '-f', proposal, '--since', '1d', ...data(), '-o', 'json');
  expect(replayed.code, replayed.err).toBe(1);
  const { changes } = JSON.parse(replayed.out) as {
    changes: { change: string; user: string; flows: number }[];
  };
  expect(
    changes
      .map(({ change, user, flows: count }) => `${change} ${user} ${count}`)
      .toSorted((a, b) => (a < b ? -1 : 1)),
  ).toEqual([`newly-allowed ${bob} 1`, `newly-denied ${alice} 2`]);
  const log = await run('access-log');
  expect(log.out).toContain('reason=policy replay');
});

it('says who is behind a pseudonym to whom it may, and that somebody asked', async () => {
  const pseudonym = names.get(alice) ?? '';
  const found = await run('flows', 'reidentify', pseudonym, '--reason', 'incident 4711');
  expect([found.code, found.out]).toEqual([0, expect.stringContaining(alice)]);
  expect((await run('access-log')).out).toContain('reason=incident 4711');
  expect((await run('flows', 'reidentify', pseudonym)).code).toBe(2);
  const unknown = await run('flows', 'reidentify', `p-2020-01-${'a'.repeat(26)}`, '--reason', 'x');
  expect(unknown.code).toBe(1);
  const soc = await lab.run(['flows', 'reidentify', pseudonym, '--reason', 'x'], {
    key: await lab.key('soc', 'sue@example.org', 'soc'),
  });
  expect([soc.code, soc.out]).toEqual([1, '']);
});

it('exports all of one person and nothing of another, and destroys the way back', async () => {
  const file = join(lab.directory, 'alice.json');
  const exported = await run('flows', 'person', alice, '--export', file, '--reason', 'request', ...data());
  expect(exported.code, exported.err).toBe(0);
  const text = await readFile(file, 'utf8');
  const document = JSON.parse(text) as {
    pseudonyms: string[];
    devices: { user: string }[];
    records: { class_uid: number; unmapped: { postern: { flow: string; target: unknown } } }[];
  };
  expect(document.pseudonyms).toEqual([names.get(alice)]);
  expect(document.devices.map(({ user }) => user)).toEqual([alice]);
  const ofFlows = document.records.filter(
    ({ class_uid: classUid }) => classUid !== 3004 && classUid !== 6003,
  );
  // With the handshake, which knows the laptop alone.
  expect(ofFlows.map(({ unmapped }) => unmapped.postern.flow)).toEqual(['ali-1', 'ali-2', 'ali-3']);
  expect(text).not.toContain(names.get(bob));
  // Who looked at what of this person: the two tests before, one of them with somebody else at once, and this export.
  const looks = document.records.flatMap(({ class_uid: classUid, unmapped }) =>
    classUid === 6003 ? [unmapped.postern.target] : [],
  );
  expect(looks).toEqual(
    expect.arrayContaining([
      { pseudonyms: expect.stringMatching(/^(p-\S{34} \*{3}|\*{3} p-\S{34})$/), reason: 'policy replay' },
      { pseudonyms: names.get(alice), reason: 'incident 4711' },
      { person: await lab.control.parts.people?.idOf(alice), reason: 'request' },
    ]),
  );
  await writeFile(join(lab.directory, 'there.json'), 'mine');
  const there = await run(
    'flows',
    'person',
    alice,
    '--export',
    join(lab.directory, 'there.json'),
    '--reason',
    'x',
    ...data(),
  );
  expect([there.code, await readFile(join(lab.directory, 'there.json'), 'utf8')]).toEqual([2, 'mine']);
  expect((await run('flows', 'person', alice, '--reason', 'x')).code).toBe(2);

  const erased = await run('flows', 'person', alice, '--erase', '--reason', 'left');
  expect(erased.code, erased.err).toBe(0);
  expect((await run('flows', 'reidentify', names.get(alice) ?? '', '--reason', 'x')).code).toBe(1);
  const proposal = await lab.file('later.yaml', `kind: Group\nname: finance\nmembers: [${bob}]\n`);
  const replayed = await run('policy', 'replay', '-f', proposal, '--since', '1d', ...data(), '-o', 'json');
  expect(JSON.parse(replayed.out)).toMatchObject({ notJudged: { 'the user is not known any more': 2 } });
});
