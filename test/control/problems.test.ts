import { connect } from 'node:tls';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { refusals } from '../../src/contract/refusals.ts';
import { startControlLab } from './control-lab.ts';
import type { ControlLab } from './control-lab.ts';

let lab: ControlLab;
beforeAll(async () => {
  lab = await startControlLab();
});
afterAll(() => lab.close());

it.each<
  [string, number, string, string, string, { body?: unknown; raw?: string; headers?: Record<string, string> }]
>([
  ['a path of nothing', 404, 'not-found', 'GET', '/v1/nothing', {}],
  ['a method that a path does not have', 405, 'method-not-allowed', 'DELETE', '/v1/devices/x', {}],
  ['a method that none has', 405, 'method-not-allowed', 'PATCH', '/v1/apply', {}],
  ['HEAD, which nothing promises', 405, 'method-not-allowed', 'HEAD', '/v1/devices', {}],
  [
    'a body that is too large',
    413,
    'content-too-large',
    'POST',
    '/v1/why',
    { raw: `"${'x'.repeat(1_100_000)}"` },
  ],
  [
    'another media type',
    400,
    'content-type-malformed',
    'POST',
    '/v1/why',
    { raw: 'x', headers: { 'content-type': 'text/plain' } },
  ],
  ['half a body', 400, 'invalid-input', 'POST', '/v1/why', { raw: '{"user":' }],
  [
    'an empty body',
    400,
    'invalid-input',
    'POST',
    '/v1/why',
    { raw: '', headers: { 'content-type': 'application/json' } },
  ],
  ['a path that is no UTF-8', 400, 'invalid-input', 'GET', '/v1/devices/%ff', {}],
  ['a parameter that is too long', 414, 'uri-too-long', 'GET', `/v1/devices/${'x'.repeat(200)}`, {}],
  ['a query key that is unknown', 400, 'invalid-input', 'GET', '/v1/devices?x=1', {}],
  [
    'headers that are too large',
    431,
    'headers-too-large',
    'GET',
    '/v1/devices',
    { headers: { 'x-a': 'x'.repeat(20_000) } },
  ],
] as const)('answers %s with problem details', async (_what, status, code, method, path, options) => {
  const answer = await lab.ask(method, path, options);
  expect(answer.headers['content-type']).toBe('application/problem+json');
  expect(answer.status).toBe(status);
  if (method === 'HEAD') return;
  expect(answer.body).toMatchObject({ type: `urn:postern:refusal:${code}`, code, status });
  expect(refusals).toHaveProperty(code);
});

it('says with 405 which methods there are', async () => {
  const allow = async (method: string, path: string) => (await lab.ask(method, path)).headers.allow;
  expect(await allow('POST', '/v1/devices')).toBe('GET');
  expect(await allow('PUT', '/v1/resources/app/x')).toBe('DELETE, GET');
  expect(await allow('GET', '/v1/devices/x/state')).toBe('POST');
});

it('answers what is no HTTP with problem details too, and goes on', async () => {
  const send = async (text: string): Promise<string> => {
    const socket = connect({ host: '127.0.0.1', port: lab.port, ca: lab.organization.rootPem });
    socket.end(text);
    let answer = '';
    for await (const chunk of socket) answer += String(chunk);
    return answer;
  };
  const answer = await send(
    'GET /v1/devices HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n',
  );
  expect(answer).toMatch(/^HTTP\/1\.1 400 /);
  expect(answer).toContain('Content-Type: application/problem+json');
  expect(answer).toContain('"code":"bad-request"');
  expect(await lab.ask('GET', '/v1/devices')).toMatchObject({ status: 200 });
});

it('says of a body that cannot be read what is wrong with it', async () => {
  const json = { 'content-type': 'application/json' };
  const problemsOf = async (raw: string): Promise<unknown> =>
    (await lab.ask('POST', '/v1/why', { raw, headers: json })).body['problems'];
  expect(await problemsOf('{"user":')).toEqual(['body: is no JSON, or not all of it']);
  expect(await problemsOf('')).toEqual(['body: is empty; send JSON']);
});

it('refuses two credentials in one request, whichever of them is valid', async () => {
  const statusWith = async (...keys: string[]): Promise<string | undefined> => {
    const socket = connect({ host: '127.0.0.1', port: lab.port, ca: lab.organization.rootPem });
    const headers = keys.map((key) => `Authorization: Bearer ${key}\r\n`).join('');
    socket.write(`GET /v1/devices HTTP/1.1\r\nHost: a\r\n${headers}Connection: close\r\n\r\n`);
    let answer = '';
    for await (const chunk of socket) answer += String(chunk);
    return /^HTTP\/1\.1 (\d+)/.exec(answer)?.[1];
  };
  expect(await statusWith(lab.apiKey)).toBe('200');
  expect(await statusWith(lab.apiKey, 'x')).toBe('401');
  expect(await statusWith('x', lab.apiKey)).toBe('401');
  expect(await statusWith(lab.apiKey, lab.apiKey)).toBe('401');
});
