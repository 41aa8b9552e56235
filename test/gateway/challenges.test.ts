import { once } from 'node:events';
import type { ClientHttp2Session } from 'node:http2';
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
    apps: [
      labApp('payroll', [app.url]),
      labApp('desk', [app.url]),
      labApp('books', [echo.url], { protocol: 'tcp', ports: [7000] }),
    ],
    policies: [
      policy('payroll-fresh', 'payroll', 'context.signIn.ageSeconds < 300 && context.signIn.mfa'),
      policy('desk-factors', 'desk', 'context.signIn.mfa || context.request.path == "/public"'),
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

  describe('inside the tunnel to an http app', () => {
    const statusOf = { ':path': '/.well-known/postern/status', ':authority': 'gateway.example.org' };
    const open = async (session: ClientHttp2Session, authority = `${host}:443`) => {
      const outgoing = session.request(
        { ':method': 'CONNECT', ':authority': authority },
        { endStream: false },
      );
      const [headers] = (await once(outgoing, 'response')) as [Record<string, unknown>];
      return { stream: outgoing, status: headers[':status'], told: headers['postern-challenge'] };
    };
    const sessionOf = async (changes: Parameters<LabLaptop['token']>[0]): Promise<ClientHttp2Session> => {
      const session = await alice.session();
      const token = await alice.token(changes);
      await http2Request(session, { ...statusOf, 'proxy-authorization': `Bearer ${token}` });
      return session;
    };

    it('is told with the answer that opens it, which itself gives access to nothing', async () => {
      const session = await sessionOf(signedIn(400, true));
      const tunnel = await open(session);
      expect([tunnel.status, tunnel.told]).toEqual([200, 'sign-in-required']);
      session.destroy();
      const better = await sessionOf(signedIn(10, true));
      expect(await open(better)).toMatchObject({ status: 200, told: undefined });
      better.destroy();
    });

    it('ends the tunnel behind its answer, so that whoever tries again opens one that is told', async () => {
      const session = await sessionOf(signedIn(400, true));
      // In the clear: what is asked at port 80 is decided and answered as it is with TLS around it.
      const { stream } = await open(session, `${host}:80`);
      const over = once(stream, 'end');
      const answer = await httpOn(stream, `GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
      expect(answer).toMatchObject({ status: 401, headers: { connection: 'close' } });
      stream.resume();
      await over;
      session.destroy();
    });

    it('is not told where it depends on the path, until a request has met it, and then once', async () => {
      const desk = 'desk.apps.example.org';
      const session = await sessionOf(signedIn(10, false));
      const first = await open(session, `${desk}:80`);
      // A public page asks for nothing, and nobody is to sign in for it.
      expect([first.status, first.told]).toEqual([200, undefined]);
      expect(await httpOn(first.stream, `GET /public HTTP/1.1\r\nHost: ${desk}\r\n\r\n`)).toMatchObject({
        status: 200,
      });
      const refused = await httpOn(first.stream, `GET /files HTTP/1.1\r\nHost: ${desk}\r\n\r\n`);
      expect(JSON.parse(refused.body)).toMatchObject({ code: 'mfa-required' });
      // Of another application it says nothing.
      expect((await open(session)).told).toBe('mfa-required');
      expect((await open(session, `${desk}:80`)).told).toBe('mfa-required');
      expect((await open(session, `${desk}:80`)).told).toBeUndefined();
      session.destroy();
    });

    it('is not told of an earlier sign-in to one who has signed in since', async () => {
      const desk = 'desk.apps.example.org';
      const session = await sessionOf(signedIn(10, false));
      const first = await open(session, `${desk}:80`);
      await httpOn(first.stream, `GET /files HTTP/1.1\r\nHost: ${desk}\r\n\r\n`);
      const token = await alice.token(signedIn(5, true));
      await http2Request(session, { ...statusOf, 'proxy-authorization': `Bearer ${token}` });
      const next = await open(session, `${desk}:80`);
      expect([next.status, next.told]).toEqual([200, undefined]);
      session.destroy();
    });
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
