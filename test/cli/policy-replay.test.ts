import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import type { DeviceId, FlowId, UserName } from '../../src/domain/ids.ts';
import { createFlowRecorder } from '../../src/flow/recorder.ts';
import { answered, connection, refused, request, subject } from '../flow/samples.ts';
import { app } from '../lab/resources.ts';
import { financeGroup, financeNetwork, policyResource, startPolicyLab } from './policy-lab.ts';
import type { PolicyLab } from './policy-lab.ts';
import type { Run } from './run-postern.ts';

// Each test starts several processes, and a busy machine takes its time.
vi.setConfig({ testTimeout: 90_000, hookTimeout: 90_000 });

const hour = 3_600_000;
let lab: PolicyLab;

/** Three flows of an hour ago and one of nine days ago, of a laptop that the control plane knows. */
beforeAll(async () => {
  lab = await startPolicyLab();
  await lab.apply([
    financeNetwork,
    app(),
    financeGroup,
    policyResource(
      'finance-grants',
      'permit (principal in Group::"finance", action, resource == App::"grants");',
    ),
  ]);
  lab.control.pass(-10 * 24 * hour);
  const { device } = await lab.control.enroll('alice@example.org');
  await lab.control.ask('POST', `/v1/devices/${device}/state`, { body: { state: 'active', reason: 'seen' } });
  lab.control.pass(10 * 24 * hour);
  const directory = join(lab.directory, 'flows');
  await mkdir(directory);
  const recorder = createFlowRecorder({
    directory,
    gateway: 'gateway.example.org',
    domain: 'example.org',
    bootId: 'boot',
    worker: 1,
    productVersion: '0.1.0',
  });
  const flow = (id: string, user: string, effect: 'allow' | 'deny', startedAt: number) => {
    const { certificate, token } = subject;
    recorder.request(
      {
        id: id as FlowId,
        connection,
        startedAt,
        subject: {
          certificate: { ...certificate, device: device as DeviceId },
          token: { ...token, id: `token-${id}`, user: user as UserName, device: device as DeviceId },
        },
        app: app(),
        request,
        decision:
          effect === 'allow'
            ? { effect, policies: ['finance-grants'], policyVersion: '1-00000000' }
            : { effect, reasons: ['no-policy-permits'], policies: [], policyVersion: '1-00000000' },
      },
      effect === 'allow' ? answered : refused,
    );
  };
  const now = Date.now();
  flow('old', 'alice@example.org', 'allow', now - 9 * 24 * hour);
  flow('first', 'alice@example.org', 'allow', now - hour);
  flow('second', 'alice@example.org', 'allow', now - hour);
  flow('third', 'bob@example.org', 'deny', now - hour);
  recorder.close();
});
afterAll(() => lab.close());

const proposal = `kind: Group
name: finance
members: [bob@example.org]
`;
const replay = async (text: string, more: readonly string[] = []): Promise<Run> =>
  lab.run([
    'policy',
    'replay',
    '-f',
    await lab.file('proposal.yaml', text),
    '--data',
    lab.directory,
    ...more,
  ]);

it('tells who would be denied and who allowed, and changes nothing', async () => {
  const { head } = lab.control.store.state;
  const { code, out, err } = await replay(proposal);
  expect(err).toBe('');
  expect(out.split('\n')).toEqual([
    expect.stringMatching(/^CHANGE +USER +APP +FLOWS +BECAUSE +SUCH AS$/),
    expect.stringMatching(/^newly-denied +alice@example\.org +grants +2 +no-policy-permits +first second$/),
    expect.stringMatching(/^newly-allowed +bob@example\.org +grants +1 +finance-grants +third$/),
    '3 flow(s) judged: the proposal decides 3 otherwise than now.',
    '',
  ]);
  expect(code).toBe(1);
  expect(lab.control.store.state.head).toEqual(head);
});

it('goes as far back as it is told, and prints all of it for scripts', async () => {
  const { out } = await replay(proposal, ['--since', '10d', '-o', 'json']);
  expect(JSON.parse(out)).toMatchObject({
    judged: 4,
    changes: [{ flows: 3, samples: ['old', 'first', 'second'] }, { flows: 1 }],
  });
  const short = await replay(proposal, ['--since', '10m']);
  expect(short).toMatchObject({
    code: 0,
    out: '0 flow(s) judged: the proposal decides all of them as now.\n',
  });
});

it('exits 0 where the proposal decides as now', async () => {
  const same = 'kind: Group\nname: finance\nmembers: [alice@example.org]\n';
  expect(await replay(same)).toMatchObject({
    code: 0,
    out: '3 flow(s) judged: the proposal decides all of them as now.\n',
  });
});

it.each([
  ['a proposal that is half written', 'kind: Policy\nname: [', [], /proposal\.yaml:2: /],
  [
    'one that could not be applied',
    'kind: Policy\nname: p\ncedar: permit (principal, action, resource == App::"x");\n',
    [],
    /proposal\.yaml:3: .*policy p: there is no App::"x"/,
  ],
  ['a time that is none', proposal, ['--since', 'yesterday'], /write a number and a unit/],
  ['a directory without records', proposal, ['--data', '/nonexistent'], /cannot be read: ENOENT/],
])('judges nothing by %s', async (_title, text, more, message) => {
  const run = await replay(text, more);
  expect(run.code).toBe(2);
  expect(run.err).toMatch(message);
});
