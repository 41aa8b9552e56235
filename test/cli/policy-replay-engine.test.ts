import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createReplay } from '../../src/cli/policy/replay-engine.ts';
import type { KnownDevice } from '../../src/cli/policy/replay-engine.ts';
import type { ReplayReport } from '../../src/cli/policy/replay-tally.ts';
import type { AccessFacts, Decision } from '../../src/domain/decision.ts';
import type { FlowFacts } from '../../src/domain/flow.ts';
import type { DeviceId, FlowId } from '../../src/domain/ids.ts';
import type { Resource } from '../../src/domain/resources.ts';
import { machineName } from '../../src/domain/subject.ts';
import { readAccesses } from '../../src/flow/read/read-accesses.ts';
import { createFlowRecorder } from '../../src/flow/recorder.ts';
import type { SpoolingFlowRecorder } from '../../src/flow/recorder.ts';
import { createPolicyEngine } from '../../src/policy/engine.ts';
import { connection } from '../flow/samples.ts';
import { app, contractPolicy, device, factsOf, group, now, policy, stateOf } from '../policy/facts.ts';
import { accesses, apps, groups, policySets } from '../policy/random-policies.ts';

const laptops = (['laptop-1', 'laptop-2', 'laptop-3'] as const).map((id) =>
  device({ id: id as DeviceId, state: id === 'laptop-3' ? 'quarantined' : 'active' }),
);
const known = (states?: KnownDevice['states']): Map<string, KnownDevice> =>
  new Map(
    laptops.map(({ id, user, role, enrolledAt, state }) => [
      id,
      { id, user, role, enrolledAt, states: states ?? [{ at: enrolledAt, state }] },
    ]),
  );

/** Records flows as a worker does, and reads them back as a replay does. */
async function replay(
  record: (recorder: SpoolingFlowRecorder) => void,
  present: readonly Resource[],
  proposed: readonly Resource[],
  devices = known(),
): Promise<ReplayReport> {
  const directory = await mkdtemp(join(tmpdir(), 'postern-replay-'));
  try {
    const recorder = createFlowRecorder({
      directory,
      gateway: 'gateway.example.org',
      domain: 'example.org',
      bootId: 'boot',
      worker: 1,
      productVersion: '0.1.0',
    });
    record(recorder);
    recorder.close();
    const judging = createReplay(present, proposed, devices);
    for await (const some of readAccesses(directory, 0))
      for (const each of some) {
        if (each === 'malformed') judging.addMalformed();
        else judging.add(each);
      }
    return judging.report();
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

let flows = 0;
/** What a worker knows of a flow when it records it. */
function flowOf(facts: AccessFacts, decision: Decision): FlowFacts {
  flows += 1;
  const { certificate, token } = facts.subject;
  return {
    id: `flow-${flows}` as FlowId,
    connection: { ...connection, source: { address: facts.request.sourceAddress, port: 50_000 } },
    startedAt: facts.now * 1000,
    subject: { certificate, token: { ...token, id: `token-${flows}` } },
    app: facts.app,
    decision,
    request: {
      method: facts.request.method,
      authority: facts.app.host,
      path: facts.request.path,
      scheme: 'https',
      httpVersion: '1.1',
    },
  };
}

const outcome = (decision: Decision) => ({
  endedAt: now * 1000 + 900,
  bytesIn: 0,
  bytesOut: 0,
  endedBy: 'upstream' as const,
  ...(decision.effect === 'allow' ? { status: 200 } : { status: 403, refusal: 'denied' }),
});

// What a record keeps is enough to judge again: whatever the policies, the same come to the same decisions.
it('decides every recorded access as the gateway did, by the same policies', async () => {
  const signedIn =
    'permit (principal, action, resource == App::"pay") when { context.signIn.ageSeconds < 60 };';
  const seen = { allow: 0, deny: 0, challenge: 0 };
  await fc.assert(
    fc.asyncProperty(
      policySets,
      fc.array(
        accesses.filter(({ request }) => request.method !== 'CONNECT'),
        { minLength: 5, maxLength: 15 },
      ),
      async (random, asked) => {
        const policies = [...random, policy('signed-in', signedIn)];
        const engine = createPolicyEngine();
        engine.load(stateOf({ policies, apps, groups, devices: laptops }));
        const decided = asked.map((facts) => ({ facts, decision: engine.decide(facts) }));
        for (const { decision } of decided) seen[decision.effect] += 1;
        const resources = [...policies, ...apps, ...groups];
        const report = await replay(
          (recorder) => {
            for (const { facts, decision } of decided)
              recorder.request(flowOf(facts, decision), outcome(decision));
          },
          resources,
          resources,
        );
        expect(report).toEqual({
          judged: asked.length,
          changes: [],
          drifted: 0,
          beforePolicies: 0,
          notJudged: {},
          malformed: 0,
        });
      },
    ),
    { numRuns: 60 },
  );
  expect(Math.min(seen.allow, seen.deny, seen.challenge)).toBeGreaterThan(5);
});

describe('a replay', () => {
  const finance = [
    app(),
    group('finance', ['alice@example.org', 'bob@example.org']),
    policy('finance-grants', contractPolicy),
  ];
  const proposal = (...more: Resource[]): Resource[] => [
    ...finance.filter(({ name }) => !more.some((each) => each.name === name)),
    ...more,
  ];
  const allow: Decision = { effect: 'allow', policies: ['finance-grants'], policyVersion: '7-abcdef01' };
  const deny: Decision = {
    effect: 'deny',
    reasons: ['no-policy-permits'],
    policies: [],
    policyVersion: '7-abcdef01',
  };
  const one =
    (parts: Parameters<typeof factsOf>[0], decision: Decision) => (recorder: SpoolingFlowRecorder) =>
      recorder.request(flowOf(factsOf(parts), decision), outcome(decision));

  it('counts who is newly denied and newly allowed, by user and app, with flows to look at', async () => {
    const report = await replay(
      (recorder) => {
        for (let n = 0; n < 5; n += 1) one({}, allow)(recorder);
        one({ user: 'bob@example.org', path: '/admin/x' }, allow)(recorder);
        one({ user: 'carol@example.org' }, deny)(recorder);
      },
      finance,
      proposal(
        group('finance', ['carol@example.org', 'bob@example.org']),
        policy(
          'no-admin',
          'forbid (principal, action, resource) when { context.request.path like "/admin/*" };',
        ),
      ),
    );
    expect(report).toMatchObject({ judged: 7, drifted: 0, notJudged: {} });
    expect(report.changes).toEqual([
      {
        change: 'newly-denied',
        user: 'alice@example.org',
        app: 'grants',
        flows: 5,
        because: ['no-policy-permits'],
        samples: expect.any(Array) as unknown,
      },
      {
        change: 'newly-denied',
        user: 'bob@example.org',
        app: 'grants',
        flows: 1,
        because: ['policy-forbids', 'no-admin'],
        samples: [`flow-${flows - 1}`],
      },
      {
        change: 'newly-allowed',
        user: 'carol@example.org',
        app: 'grants',
        flows: 1,
        because: ['finance-grants'],
        samples: [`flow-${flows}`],
      },
    ]);
    expect(report.changes[0]?.samples).toHaveLength(3);
  });

  it('says where a fresh sign-in would be asked for', async () => {
    const asking = policy(
      'finance-grants',
      contractPolicy.replace(' };', ' && context.signIn.ageSeconds < 300 };'),
    );
    const report = await replay(one({}, allow), finance, proposal(asking));
    expect(report.changes).toMatchObject([
      { change: 'newly-challenged', flows: 1, because: ['fresh-sign-in'] },
    ]);
    expect(
      (await replay(one({ signIn: { at: now - 10 } }, allow), finance, proposal(asking))).changes,
    ).toEqual([]);
  });

  it('counts an access once: not the tunnel that carries requests, nor the end of one, nor a sign-in', async () => {
    const database = {
      ...app('database'),
      protocol: 'tcp' as const,
      ports: [5432],
      upstreams: ['tcp://10.0.0.2:5432'],
    };
    const open = policy('open', 'permit (principal, action, resource);');
    const report = await replay(
      (recorder) => {
        const carrier = flowOf(factsOf({ method: 'CONNECT', path: '' }), allow);
        recorder.tunnelOpened(carrier);
        recorder.tunnelClosed(carrier, outcome(allow));
        const tunnel = flowOf(factsOf({ app: database, method: 'CONNECT', path: '' }), allow);
        recorder.tunnelOpened(tunnel);
        recorder.tunnelClosed(tunnel, outcome(allow));
        recorder.tunnelClosed(
          flowOf(factsOf({ app: database, method: 'CONNECT', path: '' }), deny),
          outcome(deny),
        );
        const upgraded = flowOf(factsOf({ path: '/live' }), allow);
        recorder.tunnelOpened(upgraded);
        recorder.tunnelClosed(upgraded, outcome(allow));
        recorder.authentication(flowOf(factsOf(), allow), outcome(allow));
      },
      [...finance, database, open],
      [
        ...finance,
        database,
        open,
        policy('live', 'forbid (principal, action, resource) when { context.request.path == "/live" };'),
      ],
    );
    expect(report).toMatchObject({
      judged: 3,
      drifted: 1,
      notJudged: {},
      changes: [{ change: 'newly-denied', flows: 1, because: ['policy-forbids', 'live'] }],
    });
  });

  it('takes a device as it was then', async () => {
    const help = policy(
      'help',
      'permit (principal, action, resource) when { context.device.state == "quarantined" };',
    );
    const states = [
      { at: now - 5000, state: 'active' as const },
      { at: now - 100, state: 'quarantined' as const },
      { at: now + 100, state: 'active' as const },
    ];
    const report = await replay(
      (recorder) => {
        one({}, deny)(recorder);
        one({ now: now - 200 }, allow)(recorder);
      },
      finance,
      proposal(help),
      known(states),
    );
    expect(report).toMatchObject({ judged: 2, drifted: 0, changes: [{ change: 'newly-allowed', flows: 1 }] });
  });

  it('takes a machine for itself, by the policies that are for machines', async () => {
    const id = 'camera-1';
    const cameras = policy('cameras', 'permit (principal is Device, action, resource == App::"grants");');
    const machine: KnownDevice = {
      id,
      user: 'operations@example.org',
      role: 'machine',
      enrolledAt: now - 86_400,
      states: [{ at: now - 86_400, state: 'active' }],
    };
    const report = await replay(
      one(
        { device: id, user: machineName('example.org', id as DeviceId) },
        { ...allow, policies: ['cameras'] },
      ),
      proposal(cameras),
      finance,
      new Map([[id, machine]]),
    );
    expect(report).toMatchObject({
      judged: 1,
      drifted: 0,
      changes: [{ change: 'newly-denied', user: id, app: 'grants', flows: 1 }],
    });
  });

  it('names what it could not judge, and does not guess', async () => {
    const claimed = group('staff', { claim: 'groups', value: 'staff' });
    const many = { groups: Array.from({ length: 200 }, (_, n) => `group-${n}`) };
    const report = await replay(
      (recorder) => {
        one({ claims: many }, allow)(recorder);
        one({ app: app('gone') }, allow)(recorder);
        one({ device: 'laptop-9' }, allow)(recorder);
        one({ path: `/${'a'.repeat(3000)}` }, allow)(recorder);
        one({ now: now - 999_999 }, allow)(recorder);
        one({}, { ...deny, reasons: ['device-revoked'] })(recorder);
        one({}, allow)(recorder);
      },
      [...finance, claimed],
      proposal(
        claimed,
        policy('path', 'forbid (principal, action, resource) when { context.request.path like "*b" };'),
      ),
    );
    expect(report).toEqual({
      judged: 1,
      changes: [],
      drifted: 0,
      beforePolicies: 1,
      malformed: 0,
      notJudged: {
        'the claims of the user are not on record': 1,
        'the app is not there any more': 1,
        'the device is not known': 1,
        'the path is not on record in full': 1,
        'the state of the device at that time is not known': 1,
      },
    });
  });

  it('says how many decisions have changed since, apart from what the proposal changes', async () => {
    const report = await replay(one({ user: 'dora@example.org' }, allow), finance, finance);
    expect(report).toMatchObject({ judged: 1, drifted: 1, changes: [] });
  });
});
