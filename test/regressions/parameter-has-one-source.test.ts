/**
 * Pangolin CVE-2026-3209: the permission was checked for the identifier in the path, and the change was made to the one
 * in the body. A route of ours takes each parameter from one place; the same name anywhere else is refused, or is not
 * looked at where nothing is read from.
 */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startControlLab } from '../control/control-lab.ts';
import type { Answer, ControlLab } from '../control/control-lab.ts';

let lab: ControlLab;
beforeAll(async () => {
  lab = await startControlLab();
});
afterAll(() => lab.close());

it('refuses an id in the body of a change whose id is in the path, and changes neither device', async () => {
  const [one, other] = [await lab.enroll(), await lab.enroll()];
  const change = (body: object, query = '') =>
    lab.ask('POST', `/v1/devices/${one.device}/state${query}`, {
      body: { state: 'revoked', reason: 'test', ...body },
    });
  expect(await change({ id: other.device })).toMatchObject({
    status: 400,
    body: { problems: ['body.id: unknown key'] },
  });
  expect(lab.store.state.devices.get(one.device as never)?.state).toBe('enrolled');
  expect(await change({}, `?id=${other.device}&state=active`)).toMatchObject({
    status: 200,
    body: { device: { id: one.device, state: 'revoked' } },
  });
  expect(lab.store.state.devices.get(other.device as never)?.state).toBe('enrolled');
});

it('no route has a name in its path that its body has too', async () => {
  const { body } = await lab.ask('GET', '/v1/openapi.json', { key: null });
  const paths = body.paths as Record<string, Record<string, { requestBody?: Answer['body'] }>>;
  const twice: string[] = [];
  let looked = 0;
  for (const [path, operations] of Object.entries(paths))
    for (const { requestBody } of Object.values(operations)) {
      const schema = requestBody?.content?.['application/json']?.schema;
      if (schema === undefined) continue;
      looked += 1;
      for (const [, name = ''] of path.matchAll(/\{([^}]+)\}/g))
        if (name in (schema.properties ?? {})) twice.push(`${path} ${name}`);
    }
  expect(twice).toEqual([]);
  expect(looked).toBeGreaterThanOrEqual(6);
});
