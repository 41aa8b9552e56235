import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { app, network } from '../../lab/resources.ts';
import { startControlLab } from '../control-lab.ts';
import type { Answer, ControlLab } from '../control-lab.ts';

let lab: ControlLab;
beforeAll(async () => {
  lab = await startControlLab();
});
afterAll(() => lab.close());
beforeEach(() => lab.ask('POST', '/v1/apply', { body: { resources: [], prune: true } }));

const group = (name: string, ...members: string[]) => ({ kind: 'Group', name, members });
const apply = (resources: readonly object[], ifMatch?: string, more: object = {}): Promise<Answer> =>
  lab.ask('POST', '/v1/apply', {
    body: { resources, ...more },
    headers: ifMatch === undefined ? {} : { 'if-match': ifMatch },
  });
const head = (): number => lab.store.state.head.sequence;
const stale = { status: 412, body: { code: 'precondition-failed' } };

it('gives a resource a tag that changes with what it says and with nothing else', async () => {
  await apply([group('a', 'x@y.z')]);
  const read = () => lab.ask('GET', '/v1/resources/group/a');
  const first = (await read()).headers.etag ?? '';
  expect(first).toMatch(/^"[A-Za-z0-9_-]{22}"$/);
  await apply([group('b')]);
  await lab.token();
  expect((await read()).headers.etag).toBe(first);
  await apply([group('a', 'x@y.z', 'v@y.z')]);
  expect((await read()).headers.etag).not.toBe(first);
});

it('deletes what still is as it was read, and leaves what is not', async () => {
  await apply([group('a')]);
  const seen = (await lab.ask('GET', '/v1/resources/group/a')).headers.etag ?? '';
  await apply([group('a', 'x@y.z')]);
  const remove = (tag: string): Promise<Answer> =>
    lab.ask('DELETE', '/v1/resources/group/a', { headers: { 'if-match': tag } });
  const before = head();
  for (const tag of [seen, `W/${seen}`, `"x", ${seen}`, '"x"', '']) {
    const refused = await remove(tag);
    if (tag === '') expect(refused).toMatchObject({ status: 400, body: { code: 'invalid-input' } });
    else expect(refused, tag).toMatchObject(stale);
  }
  expect(head()).toBe(before);
  const now = (await lab.ask('GET', '/v1/resources/group/a')).headers.etag ?? '';
  expect(await remove(`${seen}, ${now}`)).toMatchObject({ status: 200 });
  expect(await remove('*')).toMatchObject({ status: 404 });
});

it('applies what was planned, or nothing when any resource changed meanwhile', async () => {
  const planned = (await apply([group('a')], undefined, { dryRun: true })).headers.etag ?? '';
  // Devices and tokens come and go; that is no reason to plan again.
  await lab.enroll();
  expect(await apply([group('a')], planned, { dryRun: true })).toMatchObject({ status: 200 });
  const applied = await apply([group('a')], planned);
  expect(applied).toMatchObject({ status: 200 });
  const before = head();
  expect(await apply([group('a', 'x@y.z')], planned)).toMatchObject(stale);
  // Not even what would change nothing.
  expect(await apply([group('a')], planned)).toMatchObject(stale);
  expect(head()).toBe(before);
  expect(await apply([group('a', 'x@y.z')], applied.headers.etag)).toMatchObject({ status: 200 });
  expect((await lab.ask('GET', '/v1/resources/groups')).headers.etag).not.toBe(planned);
});

it('changes the state of a device that nobody else changed since it was read', async () => {
  const { device } = await lab.enroll();
  const read = async (): Promise<string> =>
    (await lab.ask('GET', `/v1/devices/${device}`)).headers.etag ?? '';
  const change = (state: string, tag: string): Promise<Answer> =>
    lab.ask('POST', `/v1/devices/${device}/state`, {
      body: { state, reason: 'x' },
      headers: { 'if-match': tag },
    });
  const seen = await read();
  const changed = await change('quarantined', seen);
  expect(changed).toMatchObject({ status: 200 });
  expect(changed.headers.etag).toBe(await read());
  expect(await change('active', seen)).toMatchObject(stale);
  expect(lab.store.state.devices.get(device as never)?.state).toBe('quarantined');
});

it('lets one of two who saw the same change it, whoever is first', async () => {
  await apply([network(), app(), group('a')]);
  const seen = (await lab.ask('GET', '/v1/resources/groups')).headers.etag ?? '';
  const both = await Promise.all(['x@y.z', 'v@y.z'].map((member) => apply([group('a', member)], seen)));
  expect(both.filter(({ status }) => status === 200)).toHaveLength(1);
  expect(both.filter(({ status }) => status === 412)).toHaveLength(1);
});

it('does nothing where it would pass over an If-Match', async () => {
  const before = head();
  const headers = { 'if-match': '"x"' };
  expect(await lab.ask('POST', '/v1/enrollment-tokens', { body: { user: 'a@b.c' }, headers })).toMatchObject({
    status: 400,
    body: { problems: ['If-Match: has no meaning for this route'] },
  });
  expect(head()).toBe(before);
});
