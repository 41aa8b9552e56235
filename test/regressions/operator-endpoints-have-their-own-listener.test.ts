/**
 * oauth2-proxy CVE-2026-40575, -34457, -41059 and CVE-2025-54576: health checks and metrics lived on the listener that
 * strangers reach, behind a list of paths for which authentication was skipped; a header, a user agent, a `#` or a query
 * made any request look like one of them. And Pomerium CVE-2024-47616: a token for one API opened another. Here nothing
 * is skipped on the API's listener, operator endpoints are not on it, and each proof opens its own API alone.
 */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startControlLab } from '../control/control-lab.ts';
import type { ControlLab } from '../control/control-lab.ts';

let lab: ControlLab;
beforeAll(async () => {
  lab = await startControlLab();
});
afterAll(() => lab.close());

it('has no health check and no metrics where the API is, with or without a key', async () => {
  for (const path of ['/metrics', '/healthz', '/readyz', '/health', '/ping', '/debug'])
    for (const key of [lab.apiKey, null])
      expect((await lab.ask('GET', path, { key })).status, path).toBe(404);
});

it('wants the key whatever a request looks like', async () => {
  const paths = [
    '/v1/devices?/healthz',
    '/v1/devices?x=/metrics',
    '/v1/devices#/healthz',
    '/v1/devices/',
    '//v1/devices',
    '/./v1/devices',
    '/healthz/../v1/devices',
    '/v1/%64evices',
    '/V1/devices',
    '/v1/devices;/healthz',
  ];
  const headers = {
    'user-agent': 'GoogleHC/1.0 kube-probe/1.30 Prometheus/2.0',
    'x-forwarded-uri': '/healthz',
    'x-original-url': '/healthz',
    'x-rewrite-url': '/healthz',
  };
  for (const path of paths) {
    const answer = await lab.ask('GET', path, { key: null, headers });
    expect([400, 401, 404], path).toContain(answer.status);
    expect(answer.text, path).not.toContain('"devices"');
  }
  expect(await lab.ask('GET', '/v1/devices', { headers })).toMatchObject({ status: 200 });
});

it('opens administration with no token of another API', async () => {
  const laptop = await lab.enroll();
  const session = await lab.ask('POST', '/v1/device/token', { key: null, client: laptop, body: {} });
  const enrollment = await lab.token();
  expect(session.status).toBe(200);
  for (const key of [String(session.body.token), enrollment]) {
    expect(await lab.ask('GET', '/v1/devices', { key })).toMatchObject({
      status: 401,
      body: { code: 'api-key-invalid' },
    });
    expect(await lab.ask('GET', '/v1/devices', { key, client: laptop })).toMatchObject({ status: 401 });
  }
});
