import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { startChangeRecords } from '../../../src/control/records/record-changes.ts';
import { createTokenVerifier } from '../../../src/identity/session-token.ts';
import { pino } from 'pino';
import { join } from 'node:path';
import { certificateThumbprint } from '../../../certs/thumbprint.ts';
import { X509Certificate } from 'node:crypto';
import { linesIn } from '../../lab/flow-records.ts';
import { startControlLab } from '../control-lab.ts';
import type { ControlLab, Identity } from '../control-lab.ts';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

const alice = 'alice@example.org';
let lab: ControlLab;
let laptop: Identity & { readonly device: string };
beforeAll(async () => {
  lab = await startControlLab({ pseudonyms: true });
  laptop = await lab.enroll(alice);
});
afterAll(() => lab.close());

const tokenOf = async (client: Identity): Promise<string> => {
  const answer = await lab.ask('POST', '/v1/device/token', { client, key: null, body: {} });
  expect(answer.status, answer.text).toBe(200);
  return String(answer.body.token);
};
const claimsOf = (token: string): Record<string, unknown> =>
  JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8')) as Record<string, unknown>;
const post = (path: string, body: unknown, key = lab.apiKey) =>
  lab.ask('POST', `/v1/people/${path}`, { body, key });
const accesses = () =>
  linesIn(join(lab.directory, 'access'))
    .filter((line) => line.includes('/v1/people/'))
    .map((line) => JSON.parse(line) as { unmapped: { postern: { target: Record<string, string> } } });

it('tokens say what records call the user, for gateways that want nothing else; those of machines have no pseudonym', async () => {
  const token = await tokenOf(laptop);
  expect(claimsOf(token)).toMatchObject({
    sub: alice,
    pseudonym: expect.stringMatching(/^p-[0-9]{4}-/) as unknown,
  });
  const machine = await lab.enroll(alice, 'machine');
  const ofMachine = await tokenOf(machine);
  expect(claimsOf(ofMachine)).not.toHaveProperty('pseudonym');
  const verify = async (raw: string, { chainPem }: Identity, needsPseudonym: boolean) => {
    const { domain, signingKeys } = lab.store.state;
    const verifier = createTokenVerifier({ domain, keys: () => signingKeys, needsPseudonym });
    const thumbprint = certificateThumbprint(new X509Certificate(chainPem).raw);
    return verifier.verify(raw, thumbprint, Math.floor(lab.parts.clock() / 1000));
  };
  const pseudonym = claimsOf(token)['pseudonym'];
  expect(await verify(token, laptop, true)).toMatchObject({ user: alice, pseudonym });
  expect(await verify(ofMachine, machine, true)).toMatchObject({ pseudonym: undefined });
  // From before the settings asked for pseudonyms.
  const { people } = lab.parts;
  Object.assign(lab.parts, { people: undefined });
  const old = await tokenOf(laptop);
  Object.assign(lab.parts, { people });
  expect(await verify(old, laptop, false)).toMatchObject({ user: alice, pseudonym: undefined });
  expect(await verify(old, laptop, true)).toMatchObject({ code: 'token-expired' });
});

const letters = (index: number): string =>
  String.fromCharCode(97 + Math.floor(index / 26), 97 + (index % 26));

it('who looks behind a pseudonym is on record with the reason, and without the name; who may not, is refused', async () => {
  const { pseudonym } = claimsOf(await tokenOf(laptop)) as { pseudonym: string };
  const body = { pseudonyms: [pseudonym], reason: 'incident 4711' };
  const soc = await lab.makeKey({ role: 'soc' });
  expect((await post('reidentify', body, soc)).body).toMatchObject({ code: 'role-missing' });
  const security = await lab.makeKey({ role: 'security' });
  expect((await post('reidentify', body, security)).body).toEqual({ people: [{ pseudonym, user: alice }] });
  expect(accesses().at(-1)).toMatchObject({
    actor: { user: { name: expect.stringMatching(/^api-key:security/) as unknown } },
    api: { operation: 'POST /v1/people/reidentify' },
    unmapped: { postern: { target: { pseudonyms: pseudonym, reason: 'incident 4711' } } },
  });
  // All of them, also one that is last among many.
  const many = [
    ...Array.from({ length: 99 }, (_, index) => `p-2020-01-${'a'.repeat(24)}${letters(index)}`),
    pseudonym,
  ];
  expect((await post('reidentify', { ...body, pseudonyms: many }, security)).status).toBe(200);
  const recorded = Object.entries(accesses().at(-1)?.unmapped.postern.target ?? {});
  expect(recorded.flatMap(([name, text]) => (name === 'reason' ? [] : text.split(' ')))).toEqual(many);
  const tooMany = [...many, `p-2020-01-${'b'.repeat(26)}`];
  expect((await post('reidentify', { ...body, pseudonyms: tooMany }, security)).status).toBe(400);
  expect((await post('reidentify', { pseudonyms: [pseudonym] })).status).toBe(400);
  expect((await post('reidentify', { pseudonyms: [alice], reason: 'x' })).status).toBe(400);
  const asked = await post('pseudonyms', { user: alice, reason: 'access request' });
  expect(asked.body).toEqual({ pseudonyms: [pseudonym], person: await lab.parts.people?.idOf(alice) });
  expect(accesses().at(-1)?.unmapped.postern.target).toEqual({
    person: await lab.parts.people?.idOf(alice),
    reason: 'access request',
  });
  await lab.ask('GET', `/v1/devices?user=${alice}`);
  expect(linesIn(join(lab.directory, 'access')).join('\n')).not.toContain(alice);
});

it('changes are recorded under pseudonyms too', async () => {
  const directory = join(lab.directory, 'access');
  const changes = await startChangeRecords({
    directory,
    store: lab.store,
    accessLog: lab.accessLog,
    nameOf: async (user, at) => (await lab.parts.people?.pseudonym(user, at)) ?? user,
    logger: pino({ level: 'silent' }),
  });
  await lab.enroll('carol@example.org');
  await changes.settled();
  await changes.close();
  const recorded = linesIn(directory).filter((line) => line.includes('"event":"device-enrolled"'));
  expect(recorded).toHaveLength(1);
  expect(recorded[0]).toContain(await lab.parts.people?.pseudonym('carol@example.org', lab.parts.clock()));
  expect(recorded[0]).not.toContain('carol@');
});

it('an erasure is for owners, stands in the ledger, and names nobody there', async () => {
  const { pseudonym } = claimsOf(await tokenOf(laptop)) as { pseudonym: string };
  const body = { user: alice, reason: 'request of 2026-11-03' };
  const security = await lab.makeKey({ role: 'security' });
  expect((await post('erase', body, security)).body).toMatchObject({ code: 'role-missing' });
  const person = (await lab.parts.people?.idOf(alice)) ?? '';
  expect((await post('erase', body)).body).toEqual({ person });
  expect([...lab.store.state.erasedPeople.keys()]).toEqual([person]);
  expect((await post('reidentify', { pseudonyms: [pseudonym], reason: 'x' })).body).toEqual({ people: [] });
  expect((await post('erase', body)).body).toMatchObject({ code: 'not-found' });
  // Who goes on working gets another.
  expect(claimsOf(await tokenOf(laptop))['pseudonym']).not.toBe(pseudonym);
});
