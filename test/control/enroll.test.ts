import { X509Certificate } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createKeyAndRequest } from '../../certs/request.ts';
import { startControlLab } from './control-lab.ts';
import type { ControlLab } from './control-lab.ts';

let lab: ControlLab;
beforeAll(async () => {
  lab = await startControlLab();
});
afterAll(() => lab.close());

const enrollWith = async (token: string, csr?: string) =>
  lab.ask('POST', '/v1/enroll', {
    key: null,
    body: { token, csr: csr ?? (await createKeyAndRequest()).csrPem },
  });

it('gives a device its certificate for a one-time token, and nothing the second time', async () => {
  const token = await lab.token('alice@example.org');
  const first = await enrollWith(token);
  expect(first.status).toBe(200);
  expect(first.body).toMatchObject({
    user: 'alice@example.org',
    domain: 'example.org',
    authority: lab.organization.rootPem,
  });
  const leaf = new X509Certificate(first.body.certificate);
  expect(leaf.subjectAltName).toBe(`URI:spiffe://example.org/device/${first.body.device}`);
  expect(lab.store.state.devices.get(first.body.device)?.certificates.at(-1)?.notAfter).toBe(
    first.body.notAfter,
  );

  const devices = lab.store.state.devices.size;
  const second = await enrollWith(token);
  expect(second.status).toBe(403);
  expect(second.body).toMatchObject({ code: 'enrollment-token-invalid', status: 403 });
  expect(lab.store.state.devices.size).toBe(devices);
});

it('does not tell a stranger why a token is not valid, or who used it', async () => {
  const token = await lab.token();
  const used = await enrollWith(token);
  const again = await enrollWith(token);
  expect(again.text).not.toContain(used.body.device);
  expect(again.body.detail).toBeUndefined();
  expect(again.headers['content-type']).toBe('application/problem+json');
});

it('lets exactly one of a hundred who race with one token enroll', async () => {
  const racing = await startControlLab();
  try {
    const token = await racing.token();
    const requests = await Promise.all(Array.from({ length: 100 }, () => createKeyAndRequest()));
    const answers = await Promise.all(
      requests.map(({ csrPem }) =>
        racing.ask('POST', '/v1/enroll', { key: null, body: { token, csr: csrPem } }),
      ),
    );
    const won = answers.filter(({ status }) => status === 200);
    expect(won).toHaveLength(1);
    expect(racing.store.state.devices.size).toBe(1);
    const lost = answers.filter(({ status }) => status !== 200).map(({ body }) => String(body.code));
    // The limit of failures an address may stop those who come late; nobody else gets another answer.
    expect(lost.filter((code) => !['enrollment-token-invalid', 'rate-limited'].includes(code))).toEqual([]);
    expect(lost).toHaveLength(99);
  } finally {
    await racing.close();
  }
});

it('refuses a request that is not signed by its own key, and leaves the token good', async () => {
  const token = await lab.token();
  const { csrPem } = await createKeyAndRequest();
  const [first = '', ...rest] = csrPem.trim().split('\n').toReversed();
  const broken = [first, ...rest.map((line, index) => (index === 0 ? line.replace(/.{4}$/, 'AAAA') : line))]
    .toReversed()
    .join('\n');
  const refused = await enrollWith(token, `${broken}\n`);
  expect(refused).toMatchObject({ status: 400, body: { code: 'certificate-request-invalid' } });
  expect(await enrollWith(token)).toMatchObject({ status: 200 });
});

it('stops an address that guesses, and lets it try again a minute later', async () => {
  const guarded = await startControlLab();
  try {
    const { csrPem: csr } = await createKeyAndRequest();
    const guess = async () =>
      guarded.ask('POST', '/v1/enroll', {
        key: null,
        body: { token: `pet1.${'A'.repeat(43)}.${'B'.repeat(16)}.${'C'.repeat(43)}`, csr },
      });
    const codes: string[] = [];
    for (let attempt = 0; attempt < 25; attempt += 1) codes.push((await guess()).body.code);
    expect(codes.slice(0, 20)).toEqual(Array.from({ length: 20 }, () => 'enrollment-token-invalid'));
    expect(codes.slice(20)).toEqual(Array.from({ length: 5 }, () => 'rate-limited'));
    const blocked = await guarded.ask('POST', '/v1/enroll', {
      key: null,
      body: { token: await guarded.token(), csr },
    });
    expect(blocked).toMatchObject({ status: 429, headers: { 'retry-after': '60' } });
    guarded.pass(60_001);
    const later = await guarded.ask('POST', '/v1/enroll', {
      key: null,
      body: { token: await guarded.token(), csr },
    });
    expect(later.status).toBe(200);
  } finally {
    await guarded.close();
  }
});
