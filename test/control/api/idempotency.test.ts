import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createAnswerMemory, maxWorkMs } from '../../../src/control/api/answer-memory.ts';
import { fingerprintOf } from '../../../src/control/api/idempotency.ts';
import { openAnswer, sealAnswer } from '../../../src/control/api/seal-answer.ts';
import { loseConfirmations, startControlLab } from '../control-lab.ts';
import type { Answer, ControlLab } from '../control-lab.ts';

let lab: ControlLab;
beforeEach(async () => {
  lab = await startControlLab();
});
afterEach(() => lab.close());

const head = (): number => lab.store.state.head.sequence;
const make = (key: string | undefined, body: object, admin?: string): Promise<Answer> =>
  lab.ask('POST', '/v1/api-keys', {
    body,
    headers: key === undefined ? {} : { 'idempotency-key': key },
    ...(admin === undefined ? {} : { key: admin }),
  });
const ci = { name: 'ci', role: 'soc' };

it('does a request once, and answers its repetition as the first time', async () => {
  const first = await make('7c5e4a2b-1', ci);
  const after = head();
  const again = await make('"7c5e4a2b-1"', ci);
  expect(again).toMatchObject({ status: 200, body: first.body, headers: { 'idempotency-replayed': 'true' } });
  expect(again.headers['content-type']).toBe(first.headers['content-type']);
  expect(first.headers['idempotency-replayed']).toBeUndefined();
  expect(head()).toBe(after);
  // The order of members says nothing; without a key, it is another request.
  expect((await make('7c5e4a2b-1', { role: 'soc', name: 'ci' })).body).toEqual(first.body);
  expect(await make(undefined, ci)).toMatchObject({ status: 409, body: { code: 'name-taken' } });
});

it('refuses a key that was used for something else, and does nothing', async () => {
  await make('7c5e4a2b-2', ci);
  const before = head();
  const reused = { status: 422, body: { code: 'idempotency-key-reused' } };
  expect(await make('7c5e4a2b-2', { ...ci, role: 'owner' })).toMatchObject(reused);
  expect(
    await lab.ask('POST', '/v1/enrollment-tokens', {
      body: { user: 'a@b.c' },
      headers: { 'idempotency-key': '7c5e4a2b-2' },
    }),
  ).toMatchObject(reused);
  expect(head()).toBe(before);
});

it('keeps apart what two administrators call alike', async () => {
  const other = await lab.makeKey({ role: 'owner' });
  const first = await make('7c5e4a2b-3', ci);
  expect(first).toMatchObject({ status: 200 });
  expect(await make('7c5e4a2b-3', ci, other)).toMatchObject({ status: 409, body: { code: 'name-taken' } });
});

it('does one of many that come at once, and gives the others its answer or asks them to come again', async () => {
  const before = head();
  const all = await Promise.all(Array.from({ length: 20 }, () => make('7c5e4a2b-4', ci)));
  expect(head()).toBe(before + 1);
  const done = all.filter(({ status }) => status === 200);
  expect(new Set(done.map(({ text }) => text)).size).toBe(1);
  for (const { status, body, headers } of all)
    if (status !== 200)
      expect({ status, code: body.code, after: headers['retry-after'] }).toEqual({
        status: 409,
        code: 'request-in-progress',
        after: '1',
      });
});

it('keeps no refusal: what stood in the way may be gone', async () => {
  const keys = { 'idempotency-key': '7c5e4a2b-5' };
  const path = '/v1/resources/group/late';
  expect(await lab.ask('DELETE', path, { headers: keys })).toMatchObject({ status: 404 });
  const resources = [{ kind: 'Group', name: 'late', members: [] }];
  await lab.ask('POST', '/v1/apply', { body: { resources } });
  expect(await lab.ask('DELETE', path, { headers: keys })).toMatchObject({ status: 200 });
  expect(await lab.ask('DELETE', path, { headers: keys })).toMatchObject({ status: 200 });
  expect(await lab.ask('DELETE', path)).toMatchObject({ status: 404 });
});

it('does not again what may have been done: whoever asks again learns what is known of it', async () => {
  const before = head();
  const keep = loseConfirmations(lab);
  const first = await make('7c5e4a2b-8', ci);
  expect(first).toMatchObject({
    status: 503,
    body: { code: 'change-unconfirmed', detail: 'made, but 0 of 1 replicas have it' },
  });
  keep();
  await expect.poll(head).toBe(before + 1);
  const again = await make('7c5e4a2b-8', ci);
  expect(again).toMatchObject({ status: 503, body: first.body, headers: { 'idempotency-replayed': 'true' } });
  expect(again.headers['content-type']).toBe(first.headers['content-type']);
  expect(head()).toBe(before + 1);
});

it('does not again what somebody was killed at: it says that nobody knows, for a day', async () => {
  const claim = (): unknown =>
    lab.parts.answers.claim(
      'api-key:admin 7c5e4a2b-9',
      fingerprintOf({ ...asked, body: ci }),
      lab.parts.clock(),
    );
  const asked = { method: 'POST', url: '/v1/api-keys', headers: {} };
  await claim();
  expect(await make('7c5e4a2b-9', ci)).toMatchObject({ status: 409, body: { code: 'request-in-progress' } });
  lab.pass(maxWorkMs);
  const before = head();
  expect(await make('7c5e4a2b-9', ci)).toMatchObject({ status: 503, body: { code: 'change-unknown' } });
  expect(await make('7c5e4a2b-9', ci)).toMatchObject({ status: 503, body: { code: 'change-unknown' } });
  expect(head()).toBe(before);
  expect(await make('7c5e4a2b-9', { ...ci, name: 'cd' })).toMatchObject({ status: 422 });
  expect(await make('7c5e4a2b-10', ci)).toMatchObject({ status: 200 });
});

it('forgets after a day, and refuses a key that is too short to be one', async () => {
  await make('7c5e4a2b-6', ci);
  lab.pass(24 * 3_600_000 - 60_000);
  expect(await make('7c5e4a2b-6', ci)).toMatchObject({ status: 200 });
  lab.pass(61_000);
  expect(await make('7c5e4a2b-6', ci)).toMatchObject({ status: 409, body: { code: 'name-taken' } });
  for (const wrong of ['short', '', 'with blanks in it', 'x'.repeat(129)])
    expect(await make(wrong, ci), wrong).toMatchObject({ status: 400, body: { code: 'invalid-input' } });
});

it('answers nobody who may no longer ask', async () => {
  const other = await lab.makeKey({ role: 'owner' });
  await make('7c5e4a2b-7', ci, other);
  const [, id = ''] = other.split('.');
  await lab.ask('DELETE', `/v1/api-keys/${id}`);
  expect(await make('7c5e4a2b-7', ci, other)).toMatchObject({ status: 401 });
});

describe('the memory of answers', () => {
  const answer = { status: 200, headers: {}, body: 'x'.repeat(1000) };

  it('stays within its bound by forgetting the oldest', async () => {
    const memory = createAnswerMemory({ maxBytes: 5000 });
    for (let n = 0; n < 10; n += 1) {
      expect(await memory.claim(`k${n}`, 'f', 0)).toEqual({ state: 'claimed' });
      await memory.answer(`k${n}`, 'f', answer, 0);
    }
    expect(await memory.claim('k9', 'f', 0)).toMatchObject({ state: 'answered' });
    expect(await memory.claim('k0', 'f', 0)).toEqual({ state: 'claimed' });
  });

  it('holds what only the same client with the same key can open', () => {
    const sealed = sealAnswer('secret', 'Bearer a', 'key-1');
    expect(Buffer.from(sealed, 'base64').toString('latin1')).not.toContain('secret');
    expect(openAnswer(sealed, 'Bearer a', 'key-1')).toBe('secret');
    expect(openAnswer(sealed, 'Bearer b', 'key-1')).toBeUndefined();
    expect(openAnswer(sealed, 'Bearer a', 'key-2')).toBeUndefined();
  });
});
