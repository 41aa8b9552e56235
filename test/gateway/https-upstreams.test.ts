import { once } from 'node:events';
import { createServer } from 'node:https';
import type { Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { labApp, startLabGateway } from '../lab/gateway.ts';
import type { LabGateway, LabLaptop } from '../lab/gateway.ts';
import { httpOn } from '../lab/http-client.ts';
import { makeOrganization } from '../lab/pki.ts';

const host = 'secure.apps.example.org';
let lab: LabGateway;
let alice: LabLaptop;
let upstream: Server;

beforeAll(async () => {
  // The application's operators have an authority of their own.
  const theirs = await makeOrganization({ domain: 'publisher.example' });
  const certificate = await theirs.issueApp(host);
  upstream = createServer({ cert: certificate.chainPem, key: certificate.keyPem }, (request, response) => {
    response.end(`${request.method} over TLS`);
  }).listen(0, '127.0.0.1');
  await once(upstream, 'listening');
  const url = `https://127.0.0.1:${(upstream.address() as AddressInfo).port}`;
  lab = await startLabGateway({
    apps: [labApp('secure', [url]), labApp('other', [url])],
    upstreamAuthoritiesPem: theirs.rootPem,
  });
  alice = await lab.laptop('alice@example.org');
});
afterAll(async () => {
  await lab.close();
  upstream.closeAllConnections();
  upstream.close();
});

const ask = async (name: string, more = '') => {
  const socket = await alice.connect({ servername: name });
  const token = await alice.token();
  const answer = await httpOn(
    socket,
    `POST / HTTP/1.1\r\nHost: ${name}\r\nProxy-Authorization: Bearer ${token}\r\n${more}`,
  );
  socket.destroy();
  return answer;
};

describe('https upstreams', () => {
  it('are spoken to when their certificate is for the app and of a trusted authority', async () => {
    expect((await ask(host, 'Content-Length: 2\r\n\r\nok')).body).toBe('POST over TLS');
    const chunked = await ask(host, 'Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n');
    expect(chunked.body).toBe('POST over TLS');
  });

  it('are refused when their certificate is another’s', async () => {
    const answer = await ask('other.apps.example.org', '\r\n');
    expect(JSON.parse(answer.body)).toMatchObject({ status: 502, code: 'upstream-untrusted' });
  });

  it('are refused when nobody trusts their authority', async () => {
    const url = `https://127.0.0.1:${(upstream.address() as AddressInfo).port}`;
    const stranger = await startLabGateway({ apps: [labApp('secure', [url])] });
    const bob = await stranger.laptop('bob@example.org');
    const socket = await bob.connect({ servername: host });
    const answer = await httpOn(
      socket,
      `GET / HTTP/1.1\r\nHost: ${host}\r\nProxy-Authorization: Bearer ${await bob.token()}\r\n\r\n`,
    );
    expect(JSON.parse(answer.body)).toMatchObject({ status: 502, code: 'upstream-untrusted' });
    socket.destroy();
    await stranger.close();
    expect(lab.errors).toEqual([]);
  });
});
