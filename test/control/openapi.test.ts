import { afterAll, beforeAll, expect, it } from 'vitest';
import { makeManagedAuthority } from '../lab/managed.ts';
import { startControlLab } from './control-lab.ts';
import type { ControlLab } from './control-lab.ts';

let lab: ControlLab;
beforeAll(async () => {
  // With all that settings can turn on.
  lab = await startControlLab({ managed: await makeManagedAuthority(), scep: true });
});
afterAll(() => lab.close());

interface Operation {
  readonly summary?: string;
  readonly security?: readonly Record<string, unknown>[];
  readonly responses?: Record<string, unknown>;
}
type Document = { openapi: string; security: unknown[]; paths: Record<string, Record<string, Operation>> };

const described = async (): Promise<[method: string, path: string, operation: Operation][]> => {
  const { body } = await lab.ask('GET', '/v1/openapi.json', { key: null });
  return Object.entries((body as Document).paths).flatMap(([path, operations]) =>
    Object.entries(operations).map(([method, operation]): [string, string, Operation] => [
      method.toUpperCase(),
      path,
      operation,
    ]),
  );
};

/** `METHOD /path` of what the router really holds, read off the tree that it prints. */
function runningRoutes(): string[] {
  const parents: string[] = [];
  return lab.app
    .printRoutes({ commonPrefix: false })
    .split('\n')
    .flatMap((line) => {
      const [, indent = '', part = '', methods = ''] =
        /^([│ ]*)[├└]── (\S+)(?: \(([A-Z, ]+)\))?/.exec(line) ?? [];
      if (part === '') return [];
      parents.length = indent.length / 4;
      const path = `${parents.at(-1) ?? ''}${part}`;
      parents.push(path);
      const described = path.replaceAll(/:([a-z]+)/g, '{$1}');
      return methods === '' ? [] : methods.split(', ').map((method) => `${method} ${described}`);
    });
}

it('describes every route that runs but the pages and itself, and runs every route that it describes', async () => {
  const running = new Set(runningRoutes());
  const documented = new Set((await described()).map(([method, path]) => `${method} ${path}`));
  running.delete('GET /');
  running.delete('GET /v1/sign-in/browser');
  running.delete('GET /v1/sign-in/callback');
  running.delete('GET /v1/openapi.json');
  expect(documented).toEqual(running);
  expect(documented.size).toBeGreaterThanOrEqual(14);
});

it('says what each route takes and gives, and which proof it wants; and each wants just that', async () => {
  const open = new Set<string>();
  for (const [method, path, operation] of await described()) {
    expect(operation.summary, path).toBeTruthy();
    expect(Object.keys(operation.responses ?? {}), path).toContain('200');
    const answer = await lab.ask(method, path.replaceAll(/\{[^}]+\}/g, 'x'), {
      key: null,
      ...(method === 'POST' ? { body: {} } : {}),
    });
    const [proof] = operation.security ?? [{ apiKey: [] }];
    if (proof === undefined) open.add(`${method} ${path}`);
    else if ('apiKey' in proof) expect(answer.body.code, path).toBe('api-key-invalid');
    else expect(answer.body.code, path).toBe('certificate-missing');
    if (proof === undefined) expect(answer.status, path).not.toBe(401);
  }
  expect([...open].sort()).toEqual([
    'GET /.well-known/postern/jwks.json',
    'GET /v1/crl/devices.crl',
    'GET /v1/crl/devices.pem',
    'GET /v1/crl/managed-devices.crl',
    'GET /v1/crl/managed-devices.pem',
    'GET /v1/scep',
    'POST /v1/enroll',
    'POST /v1/scep',
    'POST /v1/sign-in/administrator',
    'POST /v1/sign-in/administrator/complete',
    'POST /v1/sign-in/backchannel-logout',
  ]);
});

it('says what it is to a browser, with a policy that lets the page load nothing', async () => {
  const page = await lab.ask('GET', '/', { key: null });
  expect(page).toMatchObject({ status: 200, headers: { 'content-type': 'text/html; charset=utf-8' } });
  expect(page.text).toContain('control plane');
  expect(page.headers['content-security-policy']).toContain("default-src 'none'");
  expect(await lab.ask('GET', '/nothing', { key: null })).toMatchObject({
    status: 404,
    body: { code: 'not-found' },
  });
});

it.each([
  ['fr-CH,fr;q=0.9,en;q=0.8', 'fr', 'Plan de contrôle', 'Introuvable'],
  ['en-GB,en;q=0.9,fr;q=0.8', 'en', 'Control plane', 'Not found'],
  ['de', 'en', 'Control plane', 'Not found'],
])(
  'speaks to a browser of %s in %s, also of a page that is not there',
  async (wished, language, title, missing) => {
    const headers = { accept: 'text/html', 'accept-language': wished };
    const home = await lab.ask('GET', '/', { key: null, headers });
    expect(home).toMatchObject({ status: 200, headers: { 'content-language': language } });
    expect(home.text).toContain(`<h1>${title}</h1>`);
    const none = await lab.ask('GET', '/nothing', { key: null, headers });
    expect(none).toMatchObject({ status: 404, headers: { 'content-type': 'text/html; charset=utf-8' } });
    expect(none.text).toContain(`<h1>${missing}</h1>`);
  },
);

it('publishes the keys of assertions and not those of session tokens, and no private part', async () => {
  const { body } = await lab.ask('GET', '/.well-known/postern/jwks.json', { key: null });
  const published = (body.keys as { kid: string }[]).map(({ kid }) => kid).sort();
  const keys = [...lab.store.state.signingKeys.values()];
  expect(published).toEqual(
    keys
      .filter(({ use }) => use === 'assertion')
      .map(({ kid }) => kid)
      .sort(),
  );
  expect(keys.some(({ use }) => use === 'session')).toBe(true);
  for (const key of body.keys)
    expect(Object.keys(key).sort()).toEqual(['alg', 'crv', 'kid', 'kty', 'use', 'x', 'y']);
});
