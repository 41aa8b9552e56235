/**
 * A proxy that found its connections by joined texts sent one application's request over another's connection
 * (GHSA-v574-6498-x57v); others matched hosts by a part of them or parsed them twice (fast-uri CVE-2026-13676,
 * http-proxy-middleware CVE-2026-55602), or believed X-Forwarded-Host (fastify CVE-2026-3635). Two networks here use the
 * same addresses and ports on purpose: each request must be dialled in its own, and be answered by its own.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startApplication } from '../lab/app-server.ts';
import type { LabServer } from '../lab/app-server.ts';
import { labApp, startLabGateway } from '../lab/gateway.ts';
import type { LabGateway, LabLaptop } from '../lab/gateway.ts';
import { http2Request } from '../lab/http2-client.ts';

let lab: LabGateway;
let alice: LabLaptop;
let app: LabServer;

beforeAll(async () => {
  app = await startApplication('one');
  lab = await startLabGateway({
    apps: [
      labApp('grants', [app.url], { network: 'a' }),
      labApp('payroll', [app.url], { network: 'b' }),
      // Names that differ where texts are joined.
      labApp('a-b', [app.url], { network: 'c' }),
      labApp('a', [app.url], { network: 'b-c' }),
    ],
  });
  alice = await lab.laptop('alice@example.org');
});
afterAll(async () => {
  await lab.close();
  app.close();
});

describe('applications that share an address', () => {
  it('are each dialled in their own network, also when connections are kept', async () => {
    const session = await alice.session();
    const token = `Bearer ${await alice.token()}`;
    for (let round = 0; round < 2; round += 1) {
      for (const name of ['grants', 'payroll', 'a-b', 'a']) {
        const answer = await http2Request(session, {
          ':path': '/',
          ':authority': `${name}.apps.example.org`,
          'proxy-authorization': token,
        });
        expect(answer.status).toBe(200);
      }
    }
    expect(lab.dialer.dials.map(({ network }) => network)).toEqual(['a', 'b', 'c', 'b-c']);
    const networks = lab.recorder.records
      .filter(({ kind }) => kind === 'request')
      .map(({ facts }) => [facts.app?.network, facts.upstream?.network]);
    for (const [asked, reached] of networks) expect(reached).toBe(asked);
    session.destroy();
  });

  it.each([
    'grants.apps.example.org.evil.example.org',
    'evilgrants.apps.example.org',
    'grants.apps.example.org.',
    'grants.apps.example.org%00.evil.example.org',
    'user@grants.apps.example.org',
    'grants.apps.example.org,payroll.apps.example.org',
    'gr%61nts.apps.example.org',
  ])('are not reached as %s', async (authority) => {
    const session = await alice.session();
    const reached = app.requests.length;
    const answer = await http2Request(session, {
      ':path': '/',
      ':authority': authority,
      'proxy-authorization': `Bearer ${await alice.token()}`,
    });
    expect(answer.status === 200).toBe(false);
    expect(app.requests.length).toBe(reached);
    session.destroy();
  });

  it('are not chosen by what the client says was forwarded', async () => {
    const session = await alice.session();
    await http2Request(session, {
      ':path': '/',
      ':authority': 'grants.apps.example.org',
      'x-forwarded-host': 'payroll.apps.example.org',
      forwarded: 'host=payroll.apps.example.org',
      'proxy-authorization': `Bearer ${await alice.token()}`,
    });
    expect(lab.recorder.records.at(-1)?.facts.app?.name).toBe('grants');
    session.destroy();
  });
});
