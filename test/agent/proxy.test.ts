import { once } from 'node:events';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { runInNewContext } from 'node:vm';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { ask, connectThrough, curl, readAll, readUntil } from './lab/proxy-client.ts';
import { makeWorld } from './lab/world.ts';
import type { Laptop, World } from './lab/world.ts';

let world: World;
let laptop: Laptop;

beforeAll(async () => {
  world = await makeWorld();
  laptop = await world.startLaptop({ limits: { maxHeaderBytes: 16_384 } });
  await laptop.reach('connected');
});
afterAll(() => world.close());
beforeEach(() => {
  world.gateway.apps.clear();
  world.gateway.tunnels.clear();
});

const ledger = 'ledger.apps.example.org:5432';
const grants = 'http://grants.apps.example.org';

it('carries a server-first protocol, its banner first, and the end of each direction by itself', async () => {
  const port = await world.serve((socket) => {
    socket.write('SSH-2.0-banner\r\n');
    // Answers only after the client has ended: a half-close that is not passed on would hang here.
    void readAll(socket).then((text) => socket.end(`got ${text.length}`));
  });
  world.gateway.tunnels.set(ledger, port);
  const { socket, status, rest } = await connectThrough(laptop.port, ledger);
  expect(status).toBe(200);
  const banner = await readUntil(socket, '\r\n', rest.toString());
  socket.end('x'.repeat(1_000_000));
  expect([banner, await readAll(socket)]).toEqual(['SSH-2.0-banner\r\n', 'got 1000000']);
});

it('passes on bytes that came right behind the CONNECT', async () => {
  world.gateway.tunnels.set(ledger, await world.serve((socket) => socket.pipe(socket)));
  const socket = connect({ host: '127.0.0.1', port: laptop.port });
  socket.write(`CONNECT ${ledger} HTTP/1.1\r\nHost: ${ledger}\r\n\r\nearly`);
  expect(await readUntil(socket, 'early')).toMatch(/^HTTP\/1.1 200 [^\n]*\r\n\r\nearly$/);
  socket.destroy();
});

it('stops reading from an application whose client does not read, holds up no other, and loses nothing', async () => {
  let sent = 0;
  const total = 64 * 1024 * 1024;
  const stalled = Promise.withResolvers<void>();
  const port = await world.serve((socket) => {
    const chunk = Buffer.alloc(65_536, 'a');
    const write = (): void => {
      while (sent < total) {
        sent += chunk.length;
        if (socket.write(chunk)) continue;
        // No progress for a while means that back-pressure reached the server.
        const seen = sent;
        setTimeout(() => (sent === seen ? stalled.resolve() : undefined), 300);
        return void socket.once('drain', write);
      }
      socket.end();
    };
    write();
  });
  world.gateway.tunnels.set(ledger, port);
  const { socket, rest } = await connectThrough(laptop.port, ledger);
  await stalled.promise;
  expect(sent).toBeLessThan(total);
  // The stalled flow holds its own window and not that of the session.
  world.gateway.tunnels.set(ledger, await world.serve((other) => other.pipe(other)));
  const { socket: other } = await connectThrough(laptop.port, ledger);
  other.write('not held up');
  await readUntil(other, 'not held up');
  other.destroy();
  let received = rest.length;
  for await (const chunk of socket as AsyncIterable<Buffer>) received += chunk.length;
  expect(received).toBe(total);
});

it('breaks the client off when the application breaks off, instead of ending as if all had come', async () => {
  const port = await world.serve((socket) => {
    socket.once('data', () => socket.write('half', () => socket.resetAndDestroy()));
  });
  world.gateway.tunnels.set(ledger, port);
  const { socket, rest } = await connectThrough(laptop.port, ledger);
  socket.write('go');
  await expect(readAll(socket, rest)).rejects.toThrow(/ECONNRESET|aborted/);
});

it("answers a refused CONNECT with the gateway's own problem document", async () => {
  const { socket, status, head, rest } = await connectThrough(laptop.port, 'ledger.apps.example.org:9999');
  const body = JSON.parse(await readAll(socket, rest)) as unknown;
  expect(status).toBe(404);
  expect(head).toContain('content-type: application/problem+json');
  expect(body).toMatchObject({ code: 'port-unknown', flow_id: '01HZY' });
  expect((await laptop.status()).lastRefusal).toMatchObject({ code: 'port-unknown', flowId: '01HZY' });
});

it.each([
  ['example.com:443', 404, 'application-unknown'],
  ['sub.grants.apps.example.org:443', 404, 'application-unknown'],
  ['grants.apps.example.org.evil.example:443', 404, 'application-unknown'],
  ['127.0.0.1:22', 404, 'application-unknown'],
  ['gateway.example.org:443', 404, 'application-unknown'],
  ['grants.apps.example.org', 400, 'bad-request'],
  ['user@grants.apps.example.org:443', 400, 'bad-request'],
  ['grants.apps.example.org:0', 400, 'bad-request'],
  ['grants.apps.example.org:65536', 400, 'bad-request'],
])('refuses CONNECT %s, and asks no gateway about it', async (target, expected, code) => {
  const before = world.gateway.requests.length;
  const { socket, status, rest } = await connectThrough(laptop.port, target);
  expect([status, JSON.parse(await readAll(socket, rest))]).toEqual([
    expected,
    expect.objectContaining({ code }),
  ]);
  expect(world.gateway.requests.length).toBe(before);
});

it('carries an absolute-form request with its body, both trailers and an early hint', async () => {
  world.gateway.apps.set('grants.apps.example.org', (stream, headers) => {
    const chunks: Buffer[] = [];
    let trailers: unknown;
    stream.on('trailers', (received) => (trailers = received['x-sum']));
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.once('end', () => {
      stream.additionalHeaders({ ':status': 103, link: '</a.css>; rel=preload' });
      stream.respond({ ':status': 201, 'x-path': String(headers[':path']) }, { waitForTrailers: true });
      stream.once('wantTrailers', () => stream.sendTrailers({ 'x-end': 'yes' }));
      stream.end(`${headers[':method']} ${Buffer.concat(chunks).toString()} ${String(trailers)}`);
    });
  });
  const { output } = await curl([
    '--proxy',
    `http://127.0.0.1:${laptop.port}`,
    '--include',
    '--raw',
    '--header',
    'Transfer-Encoding: chunked',
    '--header',
    'Expect:',
    '--data',
    'hello',
    `${grants}/a/%2e%2e/b?c=%20d`,
  ]);
  expect(output).toMatch(/^HTTP\/1.1 103 .*link: <\/a.css>; rel=preload.*HTTP\/1.1 201/is);
  expect(output).toContain('x-path: /a/%2e%2e/b?c=%20d\r\n');
  expect(output).toContain('POST hello undefined');
  expect(output).toContain('x-end: yes\r\n');

  const raw = connect({ host: '127.0.0.1', port: laptop.port });
  raw.write(
    `POST ${grants}/t HTTP/1.1\r\nHost: grants.apps.example.org\r\nConnection: close\r\n` +
      'Transfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n2\r\nhi\r\n0\r\nX-Sum: 42\r\n\r\n',
  );
  expect(await readUntil(raw, 'x-end: yes')).toContain('POST hi 42');
  raw.destroy();
});

it('lets the application say 100 before a client sends its body', async () => {
  world.gateway.apps.set('grants.apps.example.org', (stream) => {
    stream.additionalHeaders({ ':status': 100 });
    stream.once('data', (chunk: Buffer) => {
      stream.respond({ ':status': 200 });
      stream.end(`after 100: ${chunk.toString()}`);
    });
  });
  const socket = connect({ host: '127.0.0.1', port: laptop.port });
  socket.write(
    `PUT ${grants}/ HTTP/1.1\r\nHost: grants.apps.example.org\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n`,
  );
  const interim = await readUntil(socket, '\r\n\r\n');
  expect(interim).toMatch(/^HTTP\/1.1 100 /);
  socket.write('body');
  expect(await readUntil(socket, 'after 100: body')).toContain('HTTP/1.1 200');
  socket.destroy();
});

it('forwards neither hop-by-hop fields, nor those that Connection names, nor a token of the client', async () => {
  world.gateway.apps.set('grants.apps.example.org', (stream, headers) => {
    stream.respond({ ':status': 200, 'set-cookie': ['a=1', 'b=2'] });
    stream.end(JSON.stringify(headers));
  });
  const answer = await ask(laptop.port, `${grants}/`, {
    headers: {
      connection: 'close, x-hop',
      'proxy-authorization': 'Bearer mine',
      'proxy-connection': 'keep-alive',
      'keep-alive': 'timeout=5',
      te: 'trailers, gzip',
      'x-hop': '1',
      'x-kept': '2',
      host: 'grants.apps.example.org',
    },
  });
  expect(JSON.parse(answer.body)).toEqual({
    ':method': 'GET',
    ':scheme': 'http',
    ':authority': 'grants.apps.example.org',
    ':path': '/',
    te: 'trailers',
    'x-kept': '2',
  });
  expect(answer.headers['set-cookie']).toEqual(['a=1', 'b=2']);
});

it.each([
  [
    'another Host than the target',
    `${grants}/`,
    { host: 'ledger.apps.example.org' },
    400,
    'authority-mismatch',
  ],
  [
    'a host that is no application',
    'http://example.com/',
    { host: 'example.com' },
    404,
    'application-unknown',
  ],
  ['https in absolute form', 'https://grants.apps.example.org/', {}, 400, 'bad-request'],
  ['a user in the target', 'http://a@grants.apps.example.org/', {}, 400, 'bad-request'],
  [
    'headers without end',
    `${grants}/`,
    { host: 'grants.apps.example.org', x: 'y'.repeat(20_000) },
    431,
    'headers-too-large',
  ],
])('refuses %s', async (_, path, headers, status, code) => {
  world.gateway.apps.set('grants.apps.example.org', (stream) => {
    stream.respond({ ':status': 200 });
    stream.end();
  });
  const answer = await ask(laptop.port, path, { headers });
  expect([answer.status, JSON.parse(answer.body)]).toEqual([status, expect.objectContaining({ code })]);
});

it('refuses in HTML where a browser asks', async () => {
  const answer = await ask(laptop.port, 'http://example.com/', {
    headers: { host: 'example.com', accept: 'text/html,*/*' },
  });
  expect(answer.headers['content-type']).toBe('text/html; charset=utf-8');
  expect(answer.body).toContain('<dd>404 application-unknown');
});

it('breaks an answer off that the gateway broke off', async () => {
  world.gateway.apps.set('grants.apps.example.org', (stream) => {
    stream.respond({ ':status': 200 });
    stream.write('some');
    setImmediate(() => stream.destroy(new Error('cut')));
  });
  await expect(ask(laptop.port, `${grants}/`)).rejects.toThrow(/aborted|ECONNRESET/);
});

it('answers 502 where the gateway ends a request without an answer', async () => {
  world.gateway.apps.set('grants.apps.example.org', (stream) => stream.destroy(new Error('cut')));
  const answer = await ask(laptop.port, `${grants}/`);
  expect([answer.status, JSON.parse(answer.body)]).toEqual([
    502,
    expect.objectContaining({ code: 'upstream-reset' }),
  ]);
});

it('ends the request at the gateway when the client gives up', async () => {
  const cancelled = Promise.withResolvers<number>();
  const asked = Promise.withResolvers<void>();
  world.gateway.apps.set('grants.apps.example.org', (stream) => {
    stream.once('close', () => cancelled.resolve(stream.rstCode));
    asked.resolve();
  });
  const socket = connect({ host: '127.0.0.1', port: laptop.port });
  socket.write(`GET ${grants}/ HTTP/1.1\r\nHost: grants.apps.example.org\r\n\r\n`);
  await asked.promise;
  socket.destroy();
  expect(await cancelled.promise).not.toBe(0);
});

it('carries an upgrade in absolute form through a tunnel to the port of the application', async () => {
  const port = await world.serve((socket) => {
    void readUntil(socket, '\r\n\r\n').then((head) => {
      socket.write(
        `HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n${head.split('\r\n')[0] ?? ''}|`,
      );
      socket.pipe(socket);
    });
  });
  world.gateway.tunnels.set('grants.apps.example.org:80', port);
  const socket = connect({ host: '127.0.0.1', port: laptop.port });
  socket.write(
    `GET ${grants}/ws?x=1 HTTP/1.1\r\nHost: grants.apps.example.org\r\nUpgrade: echo\r\nConnection: Upgrade\r\n` +
      'Proxy-Authorization: Bearer mine\r\n\r\n',
  );
  const opened = await readUntil(socket, '|');
  socket.write('ping.');
  expect(opened + (await readUntil(socket, '.'))).toMatch(
    /^HTTP\/1.1 101 .*\r\n\r\nGET \/ws\?x=1 HTTP\/1.1\|ping\.$/s,
  );
  socket.destroy();
});

it('gives a PAC that sends the hosts of applications to the proxy, and nothing else', async () => {
  const { body, headers } = await ask(laptop.port, '/proxy.pac', {
    headers: { host: `localhost:${laptop.port}` },
  });
  expect(headers['content-type']).toBe('application/x-ns-proxy-autoconfig');
  const sandbox: { FindProxyForURL?: (url: string, host: string) => string } = {};
  runInNewContext(body, sandbox);
  const find = (host: string): string | undefined => sandbox.FindProxyForURL?.(`http://${host}/`, host);
  const proxy = `PROXY 127.0.0.1:${laptop.port}`;
  const socks = `SOCKS5 127.0.0.1:${laptop.port}; SOCKS 127.0.0.1:${laptop.port}`;
  expect(
    [
      'grants.apps.example.org',
      'GRANTS.apps.example.org',
      'ledger.apps.example.org',
      'apps.example.org',
      'constructor',
    ].map(find),
  ).toEqual([proxy, proxy, socks, 'DIRECT', 'DIRECT']);
});

it('lets curl through by proxy, and refuses it a host that is no application', async () => {
  world.gateway.apps.set('grants.apps.example.org', (stream) => {
    stream.respond({ ':status': 200, 'content-type': 'text/plain' });
    stream.end('grants here');
  });
  const proxy = ['--proxy', `http://127.0.0.1:${laptop.port}`];
  expect(await curl([...proxy, `${grants}/`])).toEqual({ code: 0, output: 'grants here' });
  expect(
    await curl([...proxy, '--write-out', ' %{http_code}', '-o', '/dev/null', 'http://example.com/']),
  ).toEqual({
    code: 0,
    output: ' 404',
  });
  const tunnel = await curl([...proxy, '--proxytunnel', 'http://example.com/']);
  expect(tunnel.code).not.toBe(0);
  expect(tunnel.output).toContain('404');
});

it('finds an application that was published a moment ago', async () => {
  world.control.config = {
    ...world.control.config,
    apps: [
      ...world.control.config.apps,
      { name: 'new', host: 'new.apps.example.org', protocol: 'http', ports: [] },
    ],
  };
  world.gateway.apps.set('new.apps.example.org', (stream) => {
    stream.respond({ ':status': 200 });
    stream.end('new here');
  });
  // The status probe reads the configuration too, however recently it was looked at.
  await laptop.status();
  expect((await ask(laptop.port, 'http://new.apps.example.org/')).body).toBe('new here');
});

it('keeps a connection open for more than one request', async () => {
  let count = 0;
  world.gateway.apps.set('grants.apps.example.org', (stream) => {
    stream.respond({ ':status': 200, 'content-length': 1 });
    stream.end(String((count += 1)));
  });
  const socket = connect({ host: '127.0.0.1', port: laptop.port });
  const question = `GET ${grants}/ HTTP/1.1\r\nHost: grants.apps.example.org\r\n\r\n`;
  socket.write(question);
  await readUntil(socket, '\r\n\r\n1');
  socket.write(question);
  expect(await readUntil(socket, '\r\n\r\n2')).toContain('200');
  socket.end();
  await once(socket, 'close');
});

it('resets an upload that the client broke off, which must not look like a whole one', async () => {
  const outcome = Promise.withResolvers<string>();
  const begun = Promise.withResolvers<void>();
  world.gateway.apps.set('grants.apps.example.org', (stream) => {
    stream.on('data', () => begun.resolve());
    stream.once('end', () => outcome.resolve(`ended ${stream.rstCode}`));
    stream.once('close', () => outcome.resolve(`closed ${stream.rstCode}`));
  });
  const socket = connect({ host: '127.0.0.1', port: laptop.port });
  socket.write(
    `POST ${grants}/ HTTP/1.1\r\nHost: grants.apps.example.org\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n`,
  );
  await begun.promise;
  socket.destroy();
  expect(await outcome.promise).not.toMatch(/ 0$/);
});

it('resets a tunnel that the client broke off, and ends one that the client ended', async () => {
  const outcomes: Promise<string>[] = [];
  const port = await world.serve((socket) => {
    socket.write('hello');
    outcomes.push(
      readAll(socket).then(
        (text) => `whole ${text}`,
        () => 'broken',
      ),
    );
    socket.once('end', () => socket.end());
  });
  world.gateway.tunnels.set(ledger, port);
  for (const end of [(socket: Socket) => socket.end('bye'), (socket: Socket) => socket.resetAndDestroy()]) {
    const { socket, rest } = await connectThrough(laptop.port, ledger);
    await readUntil(socket, 'hello', rest.toString());
    end(socket);
  }
  expect(await Promise.all(outcomes)).toEqual(['whole bye', 'broken']);
});
