import { afterAll, beforeAll, beforeEach, expect, it, vi } from 'vitest';
import { financeGroup, financeNetwork, grantsApp, policyResource, startPolicyLab } from './policy-lab.ts';
import type { PolicyLab } from './policy-lab.ts';

// Each test starts several processes, and a busy machine takes its time.
vi.setConfig({ testTimeout: 90_000, hookTimeout: 90_000 });

let lab: PolicyLab;
let first: string;
let second: string;
beforeAll(async () => {
  lab = await startPolicyLab({ approvals: 2 });
  first = await lab.key('first');
  second = await lab.key('second');
});
afterAll(() => lab.close());

const permit = 'permit (principal in Group::"finance", action, resource == App::"grants");';
/** As it was before two were asked for: put in place without the API. */
beforeEach(async () => {
  const { store } = lab.control;
  for (const id of store.state.proposals.keys())
    await store.commit('test', () => ({
      events: [{ type: 'change-rejected', id, reason: 'next test' }],
      value: id,
    }));
  await store.commit('test', () => ({
    events: [financeNetwork, grantsApp, financeGroup, policyResource('finance-grants', permit)].map(
      (resource) => ({
        type: 'resource-put' as const,
        resource: resource as never,
      }),
    ),
    value: true,
  }));
});

const changed = permit.replace(';', ' when { context.posture.diskEncrypted };');
const file = (): Promise<string> =>
  lab.file('proposal.yaml', `kind: Policy\nname: finance-grants\ncedar: ${JSON.stringify(changed)}\n`);
const textNow = (): string | undefined => lab.control.store.state.policies.get('finance-grants')?.cedar;

async function propose(key = first): Promise<string> {
  const { code, out, err } = await lab.run(['apply', '-f', await file()], { key });
  expect({ code, err }).toEqual({ code: 0, err: '' });
  const [, id = ''] =
    /^Waits for a second administrator: (c-\S+) \(until .*\)\. Nothing was changed yet\.$/m.exec(out) ?? [];
  expect(id).not.toBe('');
  expect(out).not.toContain('--if-match');
  return id;
}

it('lets a change of a policy wait, and makes it when another administrator approves it', async () => {
  const id = await propose();
  expect(textNow()).toBe(permit);
  const listed = await lab.run(['policy', 'pending']);
  expect(listed.out).toMatch(
    new RegExp(`^${id} +api-key:first \\(first@example\\.org\\) +\\S+ \\S+ +\\S+ \\S+ +1$`, 'm'),
  );
  const shown = await lab.run(['policy', 'pending', id]);
  expect(shown.out).toContain(`-cedar: ${permit}`);
  expect(shown.out).toContain(`+cedar: ${changed}`);
  const own = await lab.run(['policy', 'approve', id], { key: first });
  expect(own.code).toBe(1);
  expect(own.err).toContain('first@example.org proposed it');
  expect(textNow()).toBe(permit);
  const approved = await lab.run(['policy', 'approve', id], { key: second });
  expect(approved.code).toBe(0);
  expect(approved.out).toMatch(/^~ update {4}policy finance-grants\nApplied as version /);
  expect(textNow()).toBe(changed);
  expect(await lab.run(['policy', 'approve', id], { key: second })).toMatchObject({ code: 2 });
  const history = await lab.run(['policy', 'history', '--limit', '1', '-o', 'json']);
  expect(JSON.parse(history.out)).toMatchObject([{ actor: 'api-key:second', proposedBy: 'api-key:first' }]);
});

it('says in JSON that it waits, and waits once however often it is asked', async () => {
  const { out } = await lab.run(['apply', '-f', await file(), '-o', 'json'], { key: first });
  const { applied, waiting } = JSON.parse(out) as { applied: boolean; waiting: { id: string } };
  expect(applied).toBe(false);
  expect(await propose()).toBe(waiting.id);
  expect(lab.control.store.state.proposals.size).toBe(1);
});

it('lets deletions and rollbacks wait too, and applies at once what touches no policy, group or administrator', async () => {
  const version = String(lab.control.store.state.head.sequence);
  const deleted = await lab.run(['delete', 'policy', 'finance-grants'], { key: first });
  expect(deleted).toMatchObject({ code: 0, err: '' });
  expect(deleted.out).toMatch(/^Waits for a second administrator: c-/);
  expect(textNow()).toBe(permit);
  await lab.control.store.commit('test', () => ({
    events: [{ type: 'resource-deleted', kind: 'Policy', name: 'finance-grants' }],
    value: true,
  }));
  const rolled = await lab.run(['policy', 'rollback', version], { key: first });
  expect(rolled.out).toContain('Waits for a second administrator: c-');
  expect(textNow()).toBeUndefined();
  const app = await lab.file(
    'app.yaml',
    JSON.stringify({ ...grantsApp, upstreams: ['http://10.0.0.9:8080'] }),
  );
  expect((await lab.run(['apply', '-f', app])).out).toContain('Applied as version');
});

it('refuses to approve over what has changed since, with what differs', async () => {
  const id = await propose();
  await lab.control.store.commit('test', () => ({
    events: [{ type: 'resource-put', resource: policyResource('finance-grants', `${permit} `) as never }],
    value: true,
  }));
  const stale = await lab.run(['policy', 'approve', id], { key: second });
  expect(stale.code).toBe(1);
  expect(stale.err).toContain('Policy finance-grants has changed');
  expect(textNow()).toBe(`${permit} `);
});

it('refuses to approve what does not fit any more', async () => {
  const id = await propose();
  const events = [{ type: 'resource-deleted' as const, kind: 'App' as const, name: 'grants' }];
  await lab.control.store.commit('test', () => ({ events, value: true }));
  const refused = await lab.run(['policy', 'approve', id], { key: second });
  expect(refused.code).toBe(2);
  expect(refused.err).toContain('there is no App::"grants"');
  expect(textNow()).toBe(permit);
});

it('keeps who rejected a change and why, and lets it expire after a week', async () => {
  const id = await propose();
  expect(await lab.run(['policy', 'reject', id], { key: second })).toMatchObject({ code: 2 });
  const rejected = await lab.run(['policy', 'reject', id, '--reason', 'not now'], { key: second });
  expect(rejected).toMatchObject({ code: 0, out: `Rejected ${id}. Nothing was changed.\n` });
  const late = await propose();
  lab.control.pass(7 * 86_400_000);
  const expired = await lab.run(['policy', 'approve', late], { key: second });
  expect(expired.code).toBe(2);
  expect(expired.err).toContain('it may have expired');
  expect((await lab.run(['policy', 'pending', '-o', 'json'])).out).toBe('[]\n');
  expect(textNow()).toBe(permit);
});

it('takes an owner to approve who administers', async () => {
  const owner = await lab.file(
    'owner.yaml',
    'kind: Administrator\nname: admins\nrole: owner\nmembers: [mallory@example.org]\n',
  );
  const owners = await lab.key('owner-key', 'first@example.org', 'owner');
  const { out } = await lab.run(['apply', '-f', owner], { key: owners });
  const [, id = ''] = /administrator: (c-\S+)/.exec(out) ?? [];
  const refused = await lab.run(['policy', 'approve', id], { key: second });
  expect(refused.code).toBe(1);
  expect(refused.err).toContain('this takes owner');
  expect(lab.control.store.state.administrators.size).toBe(0);
});

it('takes no two keys of one person for two people, whichever of them proposes', async () => {
  const owners = await lab.key('of-carol', 'carol@example.org', 'owner');
  const made = await lab.control.ask('POST', '/v1/api-keys', {
    key: owners,
    body: { name: 'carol-ci', role: 'security' },
  });
  expect(made.body).toMatchObject({ apiKey: { name: 'carol-ci', person: 'carol@example.org' } });
  const machine = String(made.body.key);
  for (const [proposer, approver] of [
    [owners, machine],
    [machine, owners],
  ] as const) {
    const id = await propose(proposer);
    const refused = await lab.run(['policy', 'approve', id], { key: approver });
    expect(refused.code).toBe(1);
    expect(refused.err).toContain('carol@example.org proposed it (api-key:');
    expect(textNow()).toBe(permit);
    await lab.run(['policy', 'reject', id, '--reason', 'tried'], { key: approver });
  }
  const id = await propose(machine);
  expect(await lab.run(['policy', 'approve', id], { key: second })).toMatchObject({ code: 0 });
  expect(textNow()).toBe(changed);
});

it('lets nobody propose or approve of whom no person is known, as with the first key and what it made', async () => {
  const made = await lab.control.makeKey({ role: 'owner' });
  for (const key of [lab.control.apiKey, made]) {
    const refused = await lab.run(['apply', '-f', await file()], { key });
    expect(refused.code).toBe(1);
    expect(refused.err).toContain('It is not known which person this is');
    expect(lab.control.store.state.proposals.size).toBe(0);
    const id = await propose();
    expect(await lab.run(['policy', 'approve', id], { key })).toMatchObject({ code: 1 });
    expect(textNow()).toBe(permit);
    expect(await lab.run(['policy', 'reject', id, '--reason', 'tried'], { key })).toMatchObject({ code: 0 });
  }
});

it('lets nobody approve what one of whom no person is known had proposed, as a ledger of before may have it', async () => {
  const cedar = permit.replace('alice', 'mallory');
  const resource = policyResource('finance-grants', cedar) as never;
  const expiresAt = Math.floor(lab.control.parts.clock() / 1000) + 600;
  await lab.control.store.commit('api-key:admin', () => ({
    events: [{ type: 'change-proposed', id: 'c-old', expiresAt, changes: [{ resource }] }],
    value: true,
  }));
  const refused = await lab.run(['policy', 'approve', 'c-old'], { key: second });
  expect(refused.code).toBe(1);
  expect(refused.err).toContain('nobody knows which person is behind api-key:admin');
  expect(textNow()).toBe(permit);
});

it('revokes all keys that a person made with one command, and says so plainly where there are none', async () => {
  const dave = await lab.key('of-dave', 'dave@example.org', 'owner');
  const eve = await lab.key('of-eve', 'eve@example.org', 'owner');
  await lab.control.ask('POST', '/v1/api-keys', { key: dave, body: { name: 'dave-ci', role: 'soc' } });
  const revoke = (...more: string[]) => lab.run(['api-key', 'revoke', ...more], { key: eve });
  expect(await revoke('--made-by', 'dave@example.com')).toMatchObject({ code: 2, out: '' });
  expect(await revoke('x', '--made-by', 'dave@example.org')).toMatchObject({ code: 2, out: '' });
  expect(await revoke()).toMatchObject({ code: 2, out: '' });
  expect(await lab.run(['get', 'device'], { key: dave })).toMatchObject({ code: 0 });

  const done = await revoke('--made-by', 'dave@example.org');
  expect(done).toMatchObject({
    code: 0,
    out: 'API key of-dave is revoked.\nAPI key dave-ci is revoked.\n',
  });
  expect(await lab.run(['get', 'device'], { key: dave })).toMatchObject({ code: 2 });
  expect((await revoke('--made-by', 'dave@example.org')).out).toBe(
    'All API keys that dave@example.org made were revoked already.\n',
  );
});

it('lets a change of the firewall of laptops wait, and its deletion: it opens a thousand laptops', async () => {
  const firewalls = () => lab.control.store.state.firewalls;
  const wide = { kind: 'Firewall', name: 'laptops', inbound: [{ protocol: 'tcp', ports: [22] }] };
  const path = await lab.file('firewall.yaml', JSON.stringify(wide));
  const waits = async (...args: string[]): Promise<string> => {
    const { code, out } = await lab.run(args, { key: first });
    const [, id = ''] = /second administrator: (c-\S+)/.exec(out) ?? [];
    expect([code, id]).toEqual([0, expect.stringMatching(/^c-/)]);
    return id;
  };
  const approve = (id: string, key: string) => lab.run(['policy', 'approve', id], { key });
  const id = await waits('apply', '-f', path);
  expect(firewalls().size).toBe(0);
  expect((await lab.run(['policy', 'pending', id])).out).toMatch(/\+ +- 22/);
  expect((await approve(id, first)).code).toBe(1);
  expect(firewalls().size).toBe(0);
  expect((await approve(id, second)).code).toBe(0);
  expect(firewalls().get('laptops')).toMatchObject(wide);

  const deletion = await waits('delete', 'firewall', 'laptops');
  expect(firewalls().size).toBe(1);
  expect((await approve(deletion, second)).code).toBe(0);
  expect(firewalls().size).toBe(0);
});
