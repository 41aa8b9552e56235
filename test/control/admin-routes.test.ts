import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { createApiKey } from '../../src/control/api/api-key.ts';
import { app as makeApp, network as makeNetwork } from '../lab/resources.ts';
import { startControlLab } from './control-lab.ts';
import type { Answer, ControlLab } from './control-lab.ts';

let lab: ControlLab;
beforeAll(async () => {
  lab = await startControlLab();
});
afterAll(() => lab.close());
/** Each test begins without resources. */
beforeEach(() => lab.ask('POST', '/v1/apply', { body: { resources: [], prune: true } }));

const network = makeNetwork({ attach: { direct: true } });
const app = makeApp({ upstreams: ['http://127.0.0.1:8080'] });
const group = { kind: 'Group', name: 'finance', members: ['alice@example.org'] };
const policy = {
  kind: 'Policy',
  name: 'finance-grants',
  cedar:
    'permit (principal in Group::"finance", action == Action::"access", resource == App::"grants") when { context.posture.diskEncrypted };',
};
const everything = [network, app, group, policy];
const apply = (resources: readonly unknown[], more: object = {}) =>
  lab.ask('POST', '/v1/apply', { body: { resources, ...more } });
const actionsOf = (answer: Answer): string[] =>
  (answer.body.changes as { action: string }[]).map(({ action }) => action);
const head = () => lab.store.state.head.sequence;

it('lets nobody administer without a key, with a wrong one, or with one that was revoked', async () => {
  const { key, event } = createApiKey({ name: 'second', role: 'owner' });
  await lab.store.commit('test', () => ({ events: [event], value: true }));
  expect(await lab.ask('GET', '/v1/devices', { key })).toMatchObject({ status: 200 });
  await lab.store.commit('test', () => ({
    events: [{ type: 'api-key-revoked', id: event.id }],
    value: true,
  }));
  const [, id = '', secret = ''] = lab.apiKey.split('.');
  // Another text for the same 32 bytes: the last digit of base64url has bits that a decoder drops.
  const digits = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  const alias = secret.slice(0, -1) + (digits[digits.indexOf(secret.at(-1) ?? '') ^ 1] ?? '');
  expect(Buffer.from(alias, 'base64url')).toEqual(Buffer.from(secret, 'base64url'));
  const wrong = [
    null,
    key,
    `pak1.${id}.${'A'.repeat(43)}`,
    `pak1.${'A'.repeat(16)}.${secret}`,
    `pak1.${id}.${alias}`,
    `${lab.apiKey}A`,
    lab.apiKey.slice(5),
  ];
  for (const attempt of wrong) {
    const answer = await lab.ask('GET', '/v1/devices', { key: attempt });
    expect(answer, String(attempt)).toMatchObject({
      status: 401,
      headers: { 'www-authenticate': 'Bearer realm="postern"' },
      body: { code: 'api-key-invalid' },
    });
  }
});

it('applies resources as one unit, says what changed, and changes nothing when nothing differs', async () => {
  const before = head();
  const dry = await apply(everything, { dryRun: true });
  expect(dry.body).toMatchObject({ applied: false });
  expect(head()).toBe(before);
  const first = await apply(everything);
  expect(first).toMatchObject({ status: 200, body: { applied: true } });
  expect(first.body.warnings).toEqual([expect.stringContaining('Network finance: attach.direct')]);
  expect(actionsOf(first)).toEqual(everything.map(() => 'create'));
  const after = head();
  const second = await apply(everything);
  expect(actionsOf(second)).toEqual(everything.map(() => 'unchanged'));
  expect(head()).toBe(after);
});

it('refuses an unknown key by its name, and applies none of the resources beside it', async () => {
  const before = head();
  const answer = await apply([
    { ...network, name: 'payroll' },
    { ...app, name: 'other', upstream: 'http://127.0.0.1:1' },
  ]);
  expect(answer).toMatchObject({ status: 400, body: { code: 'invalid-input' } });
  expect(answer.body.problems).toEqual([
    'App other: upstream: unknown key `upstream`; did you mean `upstreams`?',
  ]);
  expect(head()).toBe(before);
  expect(lab.store.state.networks.has('payroll' as never)).toBe(false);
  expect(await apply([{ ...network, name: 'payroll' }])).toMatchObject({ status: 200 });
});

it('refuses a policy that names what is not there, with the line', async () => {
  await apply([network, app, group]);
  const answer = await apply([
    { ...policy, name: 'typo', cedar: `// comment\n${policy.cedar.replace('grants', 'grant')}` },
  ]);
  expect(answer.status).toBe(400);
  expect(answer.body.problems).toEqual(['Policy typo: cedar line 2: there is no App::"grant"']);
});

it('refuses a body with another key, a coerced type or the same key twice in the schema’s eyes', async () => {
  expect(await lab.ask('POST', '/v1/apply', { body: { resources: [], force: true } })).toMatchObject({
    status: 400,
    body: { problems: ['body.force: unknown key'] },
  });
  expect(await lab.ask('POST', '/v1/apply', { body: { resources: [], prune: 'true' } })).toMatchObject({
    status: 400,
  });
  expect(
    await lab.ask('POST', '/v1/apply', { raw: '{"resources":[],"__proto__":{"prune":true}}' }),
  ).toMatchObject({ status: 400 });
  expect(await lab.ask('POST', '/v1/apply', { raw: '{"resources":[' })).toMatchObject({
    status: 400,
    body: { code: 'invalid-input' },
  });
});

it('shows resources by kind in singular, plural and any case, and names the kinds it has', async () => {
  await apply(everything);
  for (const kind of ['app', 'apps', 'App', 'APPS'])
    expect((await lab.ask('GET', `/v1/resources/${kind}/grants`)).body, kind).toEqual(app);
  expect((await lab.ask('GET', '/v1/resources/policies')).body.resources).toEqual([policy]);
  expect(await lab.ask('GET', '/v1/resources/secrets')).toMatchObject({
    status: 404,
    body: { problems: ['kind: secrets is none of network, app, group, policy, administrator, firewall'] },
  });
  expect(await lab.ask('GET', '/v1/resources/app/none')).toMatchObject({
    status: 404,
    body: { code: 'not-found' },
  });
});

it('does not delete what something else refers to, and deletes it afterwards', async () => {
  await apply(everything);
  for (const path of ['network/finance', 'group/finance', 'app/grants'])
    expect(await lab.ask('DELETE', `/v1/resources/${path}`), path).toMatchObject({
      status: 409,
      body: { code: 'in-use' },
    });
  for (const path of ['policy/finance-grants', 'app/grants', 'group/finance', 'network/finance'])
    expect(await lab.ask('DELETE', `/v1/resources/${path}`), path).toMatchObject({
      status: 200,
      body: { workersPending: 0 },
    });
  expect(await lab.ask('DELETE', '/v1/resources/app/grants')).toMatchObject({ status: 404 });
});

it('keeps revoked and lost final, and remembers which key changed a device', async () => {
  const laptop = await lab.enroll();
  const set = (state: string, reason = 'because') =>
    lab.ask('POST', `/v1/devices/${laptop.device}/state`, { body: { state, reason } });
  expect(await set('quarantined', 'odd traffic')).toMatchObject({
    status: 200,
    body: { device: { state: 'quarantined', reason: 'odd traffic', changedBy: 'api-key:admin' } },
  });
  expect(await set('active')).toMatchObject({ status: 200, body: { device: { state: 'active' } } });
  expect(await set('revoked')).toMatchObject({ status: 200, body: { device: { state: 'revoked' } } });
  for (const state of ['active', 'quarantined', 'revoked', 'lost'])
    expect(await set(state), state).toMatchObject({ status: 409, body: { code: 'state-final' } });
  expect(await set('active', '')).toMatchObject({ status: 400 });
  expect(
    await lab.ask('POST', '/v1/devices/none/state', { body: { state: 'lost', reason: 'x' } }),
  ).toMatchObject({ status: 404 });
});

it('answers a change when every worker has it in force, and says how many have not when it waited long enough', async () => {
  const laptop = await lab.enroll();
  lab.fleet.started(1);
  lab.fleet.started(2);
  const stop = lab.store.onEntries((entries) => {
    const sequence = entries.at(-1)?.sequence ?? 0;
    lab.fleet.acknowledged(1, sequence);
    if (sequence <= held) lab.fleet.acknowledged(2, sequence);
  });
  let held = Number.POSITIVE_INFINITY;
  const change = (state: string) =>
    lab.ask('POST', `/v1/devices/${laptop.device}/state`, { body: { state, reason: 'test' } });
  const prompt = await change('quarantined');
  expect(prompt.body.workersPending).toBe(0);
  held = 0;
  const slow = await change('active');
  expect(slow.body.workersPending).toBe(1);
  expect(slow.body.enforcedInMs).toBeGreaterThanOrEqual(95);
  lab.fleet.gone(2);
  expect((await change('revoked')).body.workersPending).toBe(0);
  stop();
  lab.fleet.gone(1);
});

it('never shows an enrollment token or an API key again', async () => {
  const token = await lab.token('carol@example.org');
  const secrets = [token.split('.').at(-1) ?? '', lab.apiKey.split('.').at(-1) ?? ''];
  const listed = Object.keys(lab.app.swagger().paths ?? {});
  expect(listed.length).toBeGreaterThan(10);
  // What tells on as things come ends when it is told to.
  const asked = listed.map((path) =>
    path.replaceAll(/\{[^}]+\}/g, 'x').replace(/\/tail$/, '/tail?seconds=1'),
  );
  const answers = await Promise.all(asked.map((path) => lab.ask('GET', path)));
  const entries: string[] = [];
  for (const event of lab.store.state.enrollmentTokens.values()) entries.push(JSON.stringify(event));
  for (const key of lab.store.state.apiKeys.values()) entries.push(JSON.stringify(key));
  expect(entries.length).toBeGreaterThan(1);
  for (const secret of secrets)
    for (const text of [...answers.map((answer) => answer.text), ...entries, lab.logged()])
      expect(text).not.toContain(secret);
});

it('explains a decision for the claims given, and names the groups that it cannot know without them', async () => {
  const directors = { kind: 'Group', name: 'directors', members: { claim: 'groups', value: 'direction' } };
  const permit = 'permit (principal in Group::"directors", action, resource == App::"grants");';
  await apply([...everything, directors, { kind: 'Policy', name: 'directors-grants', cedar: permit }]);
  const { device } = await lab.enroll('dora@example.org');
  await lab.ask('POST', `/v1/devices/${device}/state`, { body: { state: 'active', reason: 'test' } });
  const why = (more: object) =>
    lab.ask('POST', '/v1/why', { body: { user: 'dora@example.org', device, app: 'grants', ...more } });
  expect((await why({})).body).toMatchObject({ effect: 'deny', groupsNotKnown: ['directors'] });
  const claims = [{ claim: 'groups', value: 'direction' }];
  expect((await why({ claims })).body).toMatchObject({ effect: 'allow', groupsNotKnown: [] });
  expect((await why({ claims: [{ claim: '__proto__', value: 'direction' }] })).body).toMatchObject({
    effect: 'deny',
  });
  expect(await why({ claims: [{ claim: '', value: 'x' }] })).toMatchObject({ status: 400 });
});

it('explains a decision for the posture given, the last reported, and none', async () => {
  await apply(everything);
  const laptop = await lab.enroll('alice@example.org');
  const why = (more: object) =>
    lab.ask('POST', '/v1/why', {
      body: { user: 'alice@example.org', device: laptop.device, app: 'grants', ...more },
    });
  const checks = {
    diskEncrypted: true,
    firewallEnabled: 'unknown',
    screenLockEnabled: 'unknown',
    osUpToDate: 'unknown',
    secureBoot: 'unknown',
    protectionRunning: 'unknown',
  };
  const posture = { ageSeconds: 1, os: 'linux', osVersion: '13', agentVersion: '1', checks };
  expect((await why({ posture })).body).toMatchObject({ effect: 'deny', reasons: ['posture-awaited'] });
  await lab.ask('POST', `/v1/devices/${laptop.device}/state`, { body: { state: 'active', reason: 'test' } });
  expect((await why({ posture })).body).toMatchObject({ effect: 'allow', posture: 'given' });
  expect((await why({})).body).toMatchObject({ effect: 'deny', posture: 'none' });
  await lab.ask('POST', '/v1/device/token', { key: null, client: laptop, body: { posture } });
  expect((await why({})).body).toMatchObject({ effect: 'allow', posture: 'last-reported' });
  expect((await why({ user: 'mallory@example.org', posture })).body).toMatchObject({ effect: 'deny' });
  expect(await why({ app: 'none' })).toMatchObject({
    status: 404,
    body: { problems: ['app: there is none of the name none'] },
  });
});
