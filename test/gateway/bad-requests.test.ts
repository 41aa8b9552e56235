import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startApplication } from '../lab/app-server.ts';
import type { LabServer } from '../lab/app-server.ts';
import { labApp, startLabGateway } from '../lab/gateway.ts';
import type { LabGateway, LabLaptop } from '../lab/gateway.ts';
import { httpOn } from '../lab/http-client.ts';
import { http2Request } from '../lab/http2-client.ts';

const host = 'grants.apps.example.org';
let lab: LabGateway;
let alice: LabLaptop;
let app: LabServer;
let token: string;

beforeAll(async () => {
  app = await startApplication('grants');
  lab = await startLabGateway({
    apps: [labApp('grants', [app.url]), labApp('payroll', [app.url], { network: 'payroll' })],
    limits: { headersTimeoutMs: 1000, bodyIdleTimeoutMs: 500, maxHeaderBytes: 16_384 },
  });
  alice = await lab.laptop('alice@example.org');
  token = await alice.token();
});
afterAll(async () => {
  await lab.close();
  app.close();
});

/** Sends the bytes with `HOST` and `TOKEN` filled in, and says what came back and what reached the application. */
async function send(text: string, servername = host) {
  const before = app.requests.length;
  const records = lab.recorder.records.length;
  const socket = await alice.connect({ servername });
  const bytes = text.replaceAll('HOST', host).replaceAll('TOKEN', `Proxy-Authorization: Bearer ${token}`);
  const answer = await httpOn(socket, Buffer.from(bytes, 'latin1'));
  socket.destroy();
  const refusals = lab.recorder.records.slice(records).filter(({ kind }) => kind === 'request');
  return {
    status: answer.status,
    code: answer.status >= 400 ? JSON.parse(answer.body).code : undefined,
    recorded: refusals.map(({ outcome }) => outcome?.refusal),
    reached: app.requests.length - before,
  };
}

const refused = (status: number, code: string) => ({ status, code, recorded: [code], reached: 0 });

describe('HTTP/1.1 requests that could be read two ways', () => {
  it('lets a plain one through, so that the others are refused for what is wrong with them', async () => {
    expect(await send('GET /a HTTP/1.1\r\nHost: HOST\r\nTOKEN\r\n\r\n')).toMatchObject({
      status: 200,
      reached: 1,
    });
  });

  it.each([
    [
      'both Content-Length and Transfer-Encoding',
      'POST / HTTP/1.1\r\nHost: HOST\r\nTOKEN\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
      400,
      'bad-request',
    ],
    [
      'Transfer-Encoding, then Content-Length',
      'POST / HTTP/1.1\r\nHost: HOST\r\nTOKEN\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n',
      400,
      'bad-request',
    ],
    [
      'two Content-Lengths',
      'POST / HTTP/1.1\r\nHost: HOST\r\nTOKEN\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello',
      400,
      'bad-request',
    ],
    [
      'two equal Content-Lengths',
      'POST / HTTP/1.1\r\nHost: HOST\r\nTOKEN\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello',
      400,
      'bad-request',
    ],
    [
      'a Content-Length that is no number',
      'POST / HTTP/1.1\r\nHost: HOST\r\nTOKEN\r\nContent-Length: +5\r\n\r\nhello',
      400,
      'bad-request',
    ],
    [
      'a transfer coding that is not chunked',
      'POST / HTTP/1.1\r\nHost: HOST\r\nTOKEN\r\nTransfer-Encoding: gzip\r\n\r\nhello',
      400,
      'bad-request',
    ],
    [
      'chunked twice',
      'POST / HTTP/1.1\r\nHost: HOST\r\nTOKEN\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n',
      400,
      'bad-request',
    ],
    ['a bare LF in the request line', 'GET / HTTP/1.1\nHost: HOST\r\nTOKEN\r\n\r\n', 400, 'bad-request'],
    ['a bare LF behind a field', 'GET / HTTP/1.1\r\nHost: HOST\nTOKEN\r\n\r\n', 400, 'bad-request'],
    [
      'a folded field',
      'GET / HTTP/1.1\r\nHost: HOST\r\nTOKEN\r\nX-Folded: a\r\n b\r\n\r\n',
      400,
      'bad-request',
    ],
    [
      'a space before a colon',
      'GET / HTTP/1.1\r\nHost: HOST\r\nTOKEN\r\nX-Space : a\r\n\r\n',
      400,
      'bad-request',
    ],
    ['a NUL in a value', 'GET / HTTP/1.1\r\nHost: HOST\r\nTOKEN\r\nX-Nul: a\0b\r\n\r\n', 400, 'bad-request'],
    [
      'an underscore in a field name',
      'GET / HTTP/1.1\r\nHost: HOST\r\nTOKEN\r\nX_Forwarded_User: root\r\n\r\n',
      400,
      'header-name',
    ],
    [
      'two Hosts',
      `GET / HTTP/1.1\r\nHost: HOST\r\nHost: payroll.apps.example.org\r\nTOKEN\r\n\r\n`,
      400,
      'header-duplicate',
    ],
    ['no Host', 'GET / HTTP/1.1\r\nTOKEN\r\n\r\n', 400, 'bad-request'],
    [
      'a Host with a user in it',
      'GET / HTTP/1.1\r\nHost: HOST@evil.example.org\r\nTOKEN\r\n\r\n',
      400,
      'bad-request',
    ],
    [
      'another Host than the server name',
      'GET / HTTP/1.1\r\nHost: payroll.apps.example.org\r\nTOKEN\r\n\r\n',
      400,
      'authority-mismatch',
    ],
    [
      'an absolute URI that is not the Host',
      'GET http://payroll.apps.example.org/ HTTP/1.1\r\nHost: HOST\r\nTOKEN\r\n\r\n',
      400,
      'authority-mismatch',
    ],
    ['a wrong port in Host', 'GET / HTTP/1.1\r\nHost: HOST:22\r\nTOKEN\r\n\r\n', 404, 'port-unknown'],
    [
      'two Content-Types',
      'GET / HTTP/1.1\r\nHost: HOST\r\nTOKEN\r\nContent-Type: a/b\r\nContent-Type: c/d\r\n\r\n',
      400,
      'header-duplicate',
    ],
    [
      'a malformed Content-Type',
      'GET / HTTP/1.1\r\nHost: HOST\r\nTOKEN\r\nContent-Type: application/json\tx\r\n\r\n',
      400,
      'content-type-malformed',
    ],
    ['two tokens', 'GET / HTTP/1.1\r\nHost: HOST\r\nTOKEN\r\nTOKEN\r\n\r\n', 400, 'header-duplicate'],
    ['dot segments', 'GET /public/../admin HTTP/1.1\r\nHost: HOST\r\nTOKEN\r\n\r\n', 400, 'path-ambiguous'],
    [
      'encoded dot segments',
      'GET /public/%2E%2e/admin HTTP/1.1\r\nHost: HOST\r\nTOKEN\r\n\r\n',
      400,
      'path-ambiguous',
    ],
    [
      'dot segments behind an encoded slash',
      'GET /public%2f..%2Fadmin HTTP/1.1\r\nHost: HOST\r\nTOKEN\r\n\r\n',
      400,
      'path-ambiguous',
    ],
    [
      'dot segments with a parameter',
      'GET /public/..;x/admin HTTP/1.1\r\nHost: HOST\r\nTOKEN\r\n\r\n',
      400,
      'path-ambiguous',
    ],
    ['a backslash', 'GET /public\\admin HTTP/1.1\r\nHost: HOST\r\nTOKEN\r\n\r\n', 400, 'path-ambiguous'],
    [
      'an encoded backslash',
      'GET /public/..%5cadmin HTTP/1.1\r\nHost: HOST\r\nTOKEN\r\n\r\n',
      400,
      'path-ambiguous',
    ],
    ['an encoded NUL', 'GET /a%00.jpg HTTP/1.1\r\nHost: HOST\r\nTOKEN\r\n\r\n', 400, 'path-ambiguous'],
    ['a fragment', 'GET /a#b HTTP/1.1\r\nHost: HOST\r\nTOKEN\r\n\r\n', 400, 'path-ambiguous'],
    ['a broken escape', 'GET /a%2 HTTP/1.1\r\nHost: HOST\r\nTOKEN\r\n\r\n', 400, 'path-ambiguous'],
    ['an asterisk', 'OPTIONS * HTTP/1.1\r\nHost: HOST\r\nTOKEN\r\n\r\n', 400, 'bad-request'],
    ['TRACE', 'TRACE / HTTP/1.1\r\nHost: HOST\r\nTOKEN\r\n\r\n', 405, 'method-not-allowed'],
    [
      'an unknown expectation',
      'GET / HTTP/1.1\r\nHost: HOST\r\nTOKEN\r\nExpect: 200-ok\r\n\r\n',
      400,
      'bad-request',
    ],
    [
      'a target that is too long',
      `GET /${'a'.repeat(16_300)}${'b'.repeat(200)} HTTP/1.1\r\nHost: HOST\r\nTOKEN\r\n\r\n`,
      431,
      'headers-too-large',
    ],
    [
      'headers without end',
      `GET / HTTP/1.1\r\nHost: HOST\r\n${'X-Filler: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n'.repeat(2000)}`,
      431,
      'headers-too-large',
    ],
    ['garbage', '\x16\x03\x01 not HTTP at all\r\n\r\n', 400, 'bad-request'],
    ['HTTP/2 without ALPN', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 400, 'bad-request'],
    [
      'a next request hidden behind a wrong chunk',
      'POST / HTTP/1.1\r\nHost: HOST\r\nTOKEN\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n',
      400,
      'bad-request',
    ],
  ])('refuses %s', async (_what, text, status, code) => {
    expect(await send(text)).toEqual(refused(status, code));
    expect(lab.errors).toEqual([]);
  });

  it('gives up on headers that do not come', async () => {
    const socket = await alice.connect({ servername: host });
    const answer = await httpOn(socket, `GET / HTTP/1.1\r\nHost: ${host}\r\n`);
    expect(answer.status).toBe(408);
    expect(JSON.parse(answer.body).code).toBe('request-timeout');
  });

  it('gives up on a body that stops, and tells why', async () => {
    const socket = await alice.connect({ servername: host });
    const answer = await httpOn(
      socket,
      `POST / HTTP/1.1\r\nHost: ${host}\r\nProxy-Authorization: Bearer ${token}\r\nContent-Length: 100\r\n\r\nhalf`,
    );
    expect(answer.status).toBe(408);
    expect(JSON.parse(answer.body).code).toBe('request-timeout');
  });

  it('forwards what is odd and has one reading, byte by byte', async () => {
    const socket = await alice.connect({ servername: host });
    const path = "/api/v4/projects/group%2Fname/..a/%E2%82%AC;v=1/~x!$&'()*+,;=:@//?q=%zz&r=a|b{c}^`";
    const answer = await httpOn(
      socket,
      `GET ${path} HTTP/1.1\r\nHost: ${host}\r\nProxy-Authorization: Bearer ${token}\r\nX-Latin: \xe9\r\n\r\n`,
    );
    expect(answer.status).toBe(200);
    expect(JSON.parse(answer.body).url).toBe(path);
    socket.destroy();
  });

  it('answers a refused upload before it is all there, and keeps nobody waiting', async () => {
    const socket = await alice.connect({ servername: host });
    const answer = await httpOn(
      socket,
      `POST / HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 1000000\r\n\r\n${'x'.repeat(1000)}`,
    );
    expect(answer.status).toBe(401);
    expect(answer.headers['connection']).toBe('close');
    socket.destroy();
  });
});

describe('the same over HTTP/2', () => {
  it.each([
    ['an underscore in a field name', { x_forwarded_user: 'root' }, 400, 'header-name'],
    ['a host that is not :authority', { host: 'payroll.apps.example.org' }, 400, 'authority-mismatch'],
    ['dot segments', { ':path': '/a/../b' }, 400, 'path-ambiguous'],
    ['an unknown app', { ':authority': 'nowhere.example.org' }, 404, 'application-unknown'],
    ['an address', { ':authority': '127.0.0.1' }, 404, 'application-unknown'],
    [
      'a page of the gateway itself',
      { ':authority': 'gateway.example.org', ':path': '/x' },
      404,
      'application-unknown',
    ],
    ['a malformed Content-Type', { 'content-type': 'json' }, 400, 'content-type-malformed'],
    ['TRACE', { ':method': 'TRACE' }, 405, 'method-not-allowed'],
  ])('refuses %s', async (_what, headers, status, code) => {
    const session = await alice.session();
    const reached = app.requests.length;
    const answer = await http2Request(session, {
      ':path': '/',
      ':authority': host,
      'proxy-authorization': `Bearer ${token}`,
      ...headers,
    });
    expect(answer.status).toBe(status);
    expect(JSON.parse(answer.body).code).toBe(code);
    expect(app.requests.length).toBe(reached);
    session.destroy();
    expect(lab.errors).toEqual([]);
  });

  it('takes another app’s name on a connection for one app as a mismatch', async () => {
    const session = await alice.session({ servername: host });
    const answer = await http2Request(session, {
      ':path': '/',
      ':authority': 'payroll.apps.example.org',
      'proxy-authorization': `Bearer ${token}`,
    });
    expect(JSON.parse(answer.body).code).toBe('authority-mismatch');
    session.destroy();
  });
});
