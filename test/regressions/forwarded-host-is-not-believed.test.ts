/**
 * fastify CVE-2026-3635: with proxies trusted, `request.host`, `request.protocol` and `request.ip` came from
 * `X-Forwarded-*` of whoever sent them. The control plane counts failed enrollments by address; an attacker who could
 * choose the address with a header would guess for ever, or block the office of someone else.
 */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createKeyAndRequest } from '../../certs/request.ts';
import { startControlLab } from '../control/control-lab.ts';
import type { ControlLab } from '../control/control-lab.ts';

let lab: ControlLab;
beforeAll(async () => {
  lab = await startControlLab();
});
afterAll(() => lab.close());

it('counts failed enrollments by the address of the connection, whatever the headers say', async () => {
  const { csrPem: csr } = await createKeyAndRequest();
  const token = `pet1.${'A'.repeat(43)}.${'B'.repeat(16)}.${'C'.repeat(43)}`;
  const guess = (address: string) =>
    lab.ask('POST', '/v1/enroll', {
      key: null,
      body: { token, csr },
      headers: { 'x-forwarded-for': address, forwarded: `for=${address}`, 'x-real-ip': address },
    });
  const codes: string[] = [];
  for (let attempt = 0; attempt < 21; attempt += 1)
    codes.push((await guess(`198.51.100.${attempt}`)).body.code);
  expect(codes.slice(0, 20)).toEqual(Array.from({ length: 20 }, () => 'enrollment-token-invalid'));
  expect(codes[20]).toBe('rate-limited');
});

it('links to nothing by a host that the client chose', async () => {
  const page = await lab.ask('GET', '/', {
    key: null,
    headers: { 'x-forwarded-host': 'evil.example', host: 'evil.example' },
  });
  const document = await lab.ask('GET', '/v1/openapi.json', { key: null, headers: { host: 'evil.example' } });
  expect(page.status).toBe(200);
  expect(page.text + document.text).not.toContain('evil.example');
});
