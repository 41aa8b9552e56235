import { once } from 'node:events';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Policy } from '../../src/domain/resources.ts';
import { startApplication, startTcpService } from '../lab/app-server.ts';
import type { LabServer } from '../lab/app-server.ts';
import { labApp, startLabGateway } from '../lab/gateway.ts';
import type { LabGateway, LabLaptop } from '../lab/gateway.ts';
import { httpOn } from '../lab/http-client.ts';
import { http2Request, http2Tunnel } from '../lab/http2-client.ts';

const host = 'payroll.apps.example.org';
const policy = (name: string, app: string, condition: string): Policy => ({
  kind: 'Policy',
  name,
  cedar: `permit (principal, action, resource == App::"${app}") when { ${condition} };`,
});
let lab: LabGateway;
let alice: LabLaptop;
let app: LabServer;
let echo: LabServer;

beforeAll(async () => {
  app = await startApplication('payroll');
  echo = await startTcpService((socket) => {
    socket.write('ready\n');
    socket.pipe(socket);
  });
  lab = await startLabGateway({
    apps: [labApp('payroll', [app.url]), labApp('books', [echo.url], { protocol: 'tcp', ports: [7000] })],
    policies: [
      policy('payroll-fresh', 'payroll', 'context.signIn.ageSeconds < 300 && context.signIn.mfa'),
      policy('books-fresh', 'books', 'context.signIn.ageSeconds < 60'),
    ],
  });
  alice = await lab.laptop('alice@example.org');
});
afterAll(async () => {
  await lab.close();
  app.close();
  echo.close();
});
afterEach(() => expect(lab.errors).toEqual([]));

const nowSeconds = () => Math.floor(Date.now() / 1000);
const signedIn = (secondsAgo: number, mfa: boolean) => ({
  signIn: { id: 'sign-in-1', at: nowSeconds() - secondsAgo, mfa },
});

async function ask(changes: Parameters<LabLaptop['token']>[0], fields = '') {
  const socket = await alice.connect({ servername: host });
  const token = await alice.token(changes);
  const answer = await httpOn(
    socket,
    `GET / HTTP/1.1\r\nHost: ${host}\r\nProxy-Authorization: Bearer ${token}\r\n${fields}\r\n`,
  );
  socket.destroy();
  return answer;
}

describe('a challenge', () => {
  it('is not made to one who has just signed in with a second factor', async () => {
    expect((await ask(signedIn(10, true))).status).toBe(200);
  });

  it('asks for a fresh sign-in with the headers of RFC 9470', async () => {
    const requests = app.requests.length;
    const answer = await ask(signedIn(400, true));
    const asked =
      'Bearer realm="postern", error="insufficient_user_authentication", error_description="A more recent sign-in is required", max_age="299"';
    expect(answer).toMatchObject({
      status: 401,
      headers: { 'www-authenticate': asked, 'proxy-authenticate': asked },
    });
    expect(JSON.parse(answer.body)).toMatchObject({ status: 401, code: 'sign-in-required' });
    expect(app.requests.length).toBe(requests);
  });

  it('asks for a second factor where that is missing, with an age only where one is', async () => {
    const answer = await ask(signedIn(10, false));
    expect(JSON.parse(answer.body)).toMatchObject({ code: 'mfa-required' });
    expect(answer.headers['www-authenticate']).toBe(
      'Bearer realm="postern", error="insufficient_user_authentication", error_description="More than one factor is required"',
    );
    const never = await ask({});
    expect(JSON.parse(never.body)).toMatchObject({ code: 'mfa-required' });
    expect(never.headers['www-authenticate']).toMatch(/max_age="299"$/);
  });

  it.each([
    ['en', 'Sign-in needed', 'Sign in with'],
    ['fr', 'Connectez-vous', 'Connectez-vous avec'],
  ])('is a page that says what to do, in the language %s', async (language, title, help) => {
    const { headers, body } = await ask(
      signedIn(400, true),
      `Accept: text/html\r\nAccept-Language: ${language}\r\n`,
    );
    expect(headers).toMatchObject({ 'content-language': language });
    expect(body).toContain(`<h1>${title}</h1>`);
    expect(body).toContain(help);
  });

  it('is on record with every field that a denial has', async () => {
    const from = lab.recorder.records.length;
    await ask(signedIn(400, true));
    const { facts, outcome } = await lab.recorder.next(({ kind }) => kind === 'request', from);
    expect(facts.decision).toMatchObject({
      effect: 'challenge',
      missing: ['fresh-sign-in'],
      policies: ['payroll-fresh'],
    });
    expect(facts.subject?.token.user).toBe('alice@example.org');
    expect(outcome).toMatchObject({
      status: 401,
      refusal: 'sign-in-required',
      detail: 'fresh-sign-in, payroll-fresh',
      endedBy: 'gateway',
    });
  });

  it('reaches through the tunnel to an http app, which itself gives access to nothing', async () => {
    const session = await alice.session();
    const token = await alice.token(signedIn(400, true));
    const status = { ':path': '/.well-known/postern/status', ':authority': 'gateway.example.org' };
    await http2Request(session, { ...status, 'proxy-authorization': `Bearer ${token}` });
    const tunnel = await http2Tunnel(session, `${host}:443`);
    expect(tunnel.closed).toBe(false);
    tunnel.destroy();
    session.destroy();
  });

  it('ends a live flow whose sign-in has grown too old, and says so', async () => {
    const session = await alice.session();
    const token = await alice.token(signedIn(10, false));
    const status = { ':path': '/.well-known/postern/status', ':authority': 'gateway.example.org' };
    await http2Request(session, { ...status, 'proxy-authorization': `Bearer ${token}` });
    const tunnel = await http2Tunnel(session, 'books.apps.example.org:7000');
    await once(tunnel, 'data');
    tunnel.resume();
    const from = lab.recorder.records.length;
    lab.clock.now += 51_000;
    const { facts, outcome } = await lab.recorder.next(({ kind }) => kind === 'tunnel-closed', from);
    expect(facts.decision).toMatchObject({ effect: 'challenge', missing: ['fresh-sign-in'] });
    expect(outcome).toMatchObject({ refusal: 'sign-in-required', endedBy: 'gateway' });
    session.destroy();
  });
});
