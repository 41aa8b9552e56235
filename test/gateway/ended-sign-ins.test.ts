import { once } from 'node:events';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { endedSession, endedSubject, formatSignInId } from '../../src/domain/sign-in.ts';
import type { UserName } from '../../src/domain/ids.ts';
import { startApplication, startTcpService } from '../lab/app-server.ts';
import type { LabServer } from '../lab/app-server.ts';
import { labApp, permitAll, startLabGateway } from '../lab/gateway.ts';
import type { LabGateway, LabLaptop } from '../lab/gateway.ts';
import { http2Request, http2Tunnel } from '../lab/http2-client.ts';

let lab: LabGateway;
let slow: LabServer;
let echo: LabServer;
beforeEach(async () => {
  slow = await startApplication('slow', (_request, response) => {
    response.write('begun');
  });
  echo = await startTcpService((socket) => {
    socket.write('ready\n');
    socket.pipe(socket);
  });
  lab = await startLabGateway({
    apps: [labApp('slow', [slow.url]), labApp('payroll', [echo.url], { protocol: 'tcp', ports: [7000] })],
    policies: [{ ...permitAll, cedar: 'permit (principal, action, resource);' }],
  });
});
afterEach(async () => {
  await lab.close();
  slow.close();
  echo.close();
  expect(lab.errors).toEqual([]);
});

const startedAt = Math.floor(Date.now() / 1000) - 100;
const idOf = (session: string): string =>
  formatSignInId({ session, subject: 'alice', startedAt, random: 'r' });
const user = 'alice@example.org' as UserName;

/** One answer that does not end and one tunnel that is quiet, under a token of this sign-in. */
async function openFlows(laptop: LabLaptop, id: string) {
  const token = await laptop.token({ signIn: { id, at: startedAt, mfa: false } });
  const session = await laptop.session();
  const request = session.request({
    ':method': 'GET',
    ':scheme': 'https',
    ':authority': 'slow.apps.example.org',
    ':path': '/',
    'proxy-authorization': `Bearer ${token}`,
  });
  request.on('error', () => undefined);
  await once(request, 'data');
  request.resume();
  const tunnel = await http2Tunnel(session, 'payroll.apps.example.org:7000');
  tunnel.on('error', () => undefined);
  await once(tunnel, 'data');
  tunnel.resume();
  return { token, session, request, tunnel };
}

const closed = (stream: { once(event: 'close', listener: () => void): unknown }): Promise<void> =>
  new Promise((resolve) => stream.once('close', resolve));
const statusOf = (session: Awaited<ReturnType<LabLaptop['session']>>, token?: string) =>
  http2Request(session, {
    ':method': 'GET',
    ':authority': 'gateway.example.org',
    ':path': '/.well-known/postern/status',
    ...(token === undefined ? {} : { 'proxy-authorization': `Bearer ${token}` }),
  });

describe('an ended sign-in', () => {
  it.each([
    ['by itself', (id: string) => id],
    ['with its session at the identity provider', () => endedSession('mine')],
    ['with all of its user', () => endedSubject('alice')],
  ])('ends %s: its flows are cut at once, its token is refused, and others go on', async (_how, key) => {
    const alice = await lab.laptop(user);
    const mine = await openFlows(alice, idOf('mine'));
    const bystander = await lab.laptop('bob@example.org');
    const theirs = await openFlows(
      bystander,
      formatSignInId({ session: 'theirs', subject: 'bob', startedAt, random: 'b' }),
    );
    const cut = Promise.all([closed(mine.request), closed(mine.tunnel)]);

    const start = performance.now();
    lab.commit({ type: 'sign-in-ended', id: key(idOf('mine')), user, reason: 'signed out' });
    await cut;
    const milliseconds = performance.now() - start;
    console.log(`cut ${milliseconds.toFixed(1)} ms after the event`);
    expect(milliseconds).toBeLessThan(2000);

    for (const answer of [await statusOf(mine.session), await statusOf(mine.session, mine.token)]) {
      expect(answer.status).toBe(401);
      expect(JSON.parse(answer.body)).toMatchObject({ code: 'sign-in-ended' });
    }
    expect((await statusOf(theirs.session)).status).toBe(200);
    expect(theirs.tunnel.destroyed).toBe(false);

    const again = await alice.token({
      signIn: {
        id: formatSignInId({ session: 'new', subject: 'alice', startedAt: startedAt + 10_000, random: 's' }),
        at: startedAt,
        mfa: false,
      },
    });
    expect((await statusOf(mine.session, again)).status).toBe(200);
  });

  it('is recorded with that as its reason', async () => {
    const alice = await lab.laptop(user);
    await openFlows(alice, idOf('mine'));
    const from = lab.recorder.records.length;
    lab.commit({ type: 'sign-in-ended', id: idOf('mine'), user, reason: 'signed out' });
    const { outcome, facts } = await lab.recorder.next(({ kind }) => kind === 'tunnel-closed', from);
    expect(outcome).toMatchObject({ refusal: 'sign-in-ended', endedBy: 'gateway' });
    expect(facts.decision).toMatchObject({ effect: 'deny', reasons: ['sign-in-ended'] });
  });
});
