import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startApplication } from '../lab/app-server.ts';
import type { LabServer } from '../lab/app-server.ts';
import { labApp, startLabGateway } from '../lab/gateway.ts';
import type { LabGateway, LabLaptop } from '../lab/gateway.ts';
import { http2Request } from '../lab/http2-client.ts';

const host = 'grants.apps.example.org';
let lab: LabGateway;
let alice: LabLaptop;
let app: LabServer;
let special: LabServer;

beforeAll(async () => {
  app = await startApplication('grants');
  special = await startApplication('special', (request, response) => {
    request.resume();
    response.writeEarlyHints({ link: ['</a.css>; rel=preload', '</b.css>; rel=preload'] });
    response.write('body');
    response.addTrailers({ checksum: 'abc' });
    response.end();
  });
  lab = await startLabGateway({ apps: [labApp('grants', [app.url]), labApp('special', [special.url])] });
  alice = await lab.laptop('alice@example.org');
});
afterAll(async () => {
  await lab.close();
  app.close();
  special.close();
});

describe('HTTP/2 as an agent speaks it', () => {
  it('answers the probe with whom it knows, and refuses it without a token', async () => {
    const session = await alice.session();
    const probe = { ':path': '/.well-known/postern/status', ':authority': 'gateway.example.org' };
    const refused = await http2Request(session, probe);
    expect(refused.status).toBe(401);
    expect(JSON.parse(refused.body)).toMatchObject({ code: 'token-missing' });
    const answer = await http2Request(session, {
      ...probe,
      'proxy-authorization': `Bearer ${await alice.token()}`,
    });
    expect(answer.status).toBe(200);
    expect(JSON.parse(answer.body)).toMatchObject({
      user: 'alice@example.org',
      device: alice.certificate.id,
    });
    session.destroy();
  });

  it.each([
    ['one field', { 'x-filler': 'a'.repeat(40_000) }],
    ['many fields', Object.fromEntries(Array.from({ length: 900 }, (_, at) => [`x-${at}`, 'a']))],
  ])('refuses a header list that is too large by %s, and puts it on record', async (_what, fields) => {
    const session = await alice.session();
    const token = { 'proxy-authorization': `Bearer ${await alice.token()}` };
    const request = { ':path': '/', ':authority': host, ...token };
    const refused = await http2Request(session, { ...request, ...fields });
    expect(refused.status).toBe(431);
    const { code, flow_id: flow } = JSON.parse(refused.body) as { code: string; flow_id: string };
    expect(code).toBe('headers-too-large');
    expect(await lab.recorder.next(({ facts }) => facts.id === flow)).toMatchObject({
      outcome: { refusal: 'headers-too-large' },
    });
    expect((await http2Request(session, request)).status).toBe(200);
    session.destroy();
  });

  it('forwards requests to apps named by :authority, on the session’s token', async () => {
    const session = await alice.session();
    const first = await http2Request(session, {
      ':path': '/one?x=1',
      ':authority': host,
      ':scheme': 'http',
      'proxy-authorization': `Bearer ${await alice.token()}`,
    });
    expect(first.status).toBe(200);
    expect(JSON.parse(first.body)).toMatchObject({
      application: 'grants',
      url: '/one?x=1',
      headers: { host, 'x-forwarded-proto': 'http', via: '2.0 postern', 'postern-user': 'alice@example.org' },
    });
    const body = 'x'.repeat(100_000);
    const second = await http2Request(
      session,
      { ':method': 'POST', ':path': '/', ':authority': host },
      body,
      { sum: '1' },
    );
    expect(JSON.parse(second.body)).toMatchObject({ body, trailers: { sum: '1' } });
    session.destroy();
  });

  it('passes early hints and trailers', async () => {
    const session = await alice.session();
    const answer = await http2Request(session, {
      ':path': '/',
      ':authority': 'special.apps.example.org',
      'proxy-authorization': `Bearer ${await alice.token()}`,
    });
    expect(answer).toMatchObject({
      status: 200,
      body: 'body',
      informational: [103],
      trailers: { checksum: 'abc' },
    });
    session.destroy();
  });

  it('serves many streams at once, each its own answer', async () => {
    const session = await alice.session();
    const token = await alice.token();
    const answers = await Promise.all(
      Array.from({ length: 100 }, (_, index) =>
        http2Request(session, {
          ':path': `/${index}`,
          ':authority': host,
          'proxy-authorization': `Bearer ${token}`,
        }),
      ),
    );
    expect(answers.map(({ body }) => (JSON.parse(body) as { url: string }).url)).toEqual(
      answers.map((_, index) => `/${index}`),
    );
    // One verification served all of them.
    const accepted = lab.recorder.records.filter(
      ({ kind, facts }) => kind === 'authentication' && facts.subject?.token !== undefined,
    );
    expect(new Set(accepted.map(({ facts }) => facts.subject?.token.id)).size).toBe(accepted.length);
    session.destroy();
    expect(lab.errors).toEqual([]);
  });
});
