import { once } from 'node:events';
import { createServer } from 'node:https';
import type { Server } from 'node:https';
import { connect } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { afterEach, describe, expect, it } from 'vitest';
import { answerClientError } from '../../src/control/api/framework-problems.ts';
import { makeOrganization } from '../lab/pki.ts';

let server: Server;
afterEach(async () => {
  const closed = once(server, 'close');
  server.close();
  server.closeAllConnections();
  await closed;
});

async function listen(handshakeTimeout: number): Promise<{ port: number; rootPem: string }> {
  const organization = await makeOrganization();
  const { keyPem: key, chainPem: cert } = await organization.issueGateway();
  server = createServer({ key, cert, handshakeTimeout }, (_request, response) => void response.end('served'));
  server.on('clientError', (error, socket) => answerClientError(error, socket as Socket));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { port: (server.address() as AddressInfo).port, rootPem: organization.rootPem };
}

async function readAll(socket: Socket): Promise<string> {
  let text = '';
  socket.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')));
  socket.on('error', () => undefined);
  await new Promise((resolve) => socket.once('close', resolve));
  return text;
}

describe('what goes wrong before there is a request', () => {
  it('is a problem where it was HTTP that went wrong', async () => {
    const { port, rootPem } = await listen(10_000);
    const socket = connectTls({ port, ca: rootPem, servername: 'gateway.example.org' });
    socket.write('this is no HTTP\r\n\r\n');
    expect(await readAll(socket)).toMatch(/^HTTP\/1\.1 400 [\s\S]*"code":"bad-request"/);
  });

  it('is the end of the connection where its handshake is too late, and no answer to what was never asked', async () => {
    const { port, rootPem } = await listen(50);
    const socket = connect({ port, host: '127.0.0.1' });
    socket.on('error', () => undefined);
    await once(server, 'clientError');
    const late = connectTls({ socket, ca: rootPem, servername: 'gateway.example.org' });
    late.write('GET / HTTP/1.1\r\nHost: gateway.example.org\r\n\r\n');
    expect(await readAll(late)).toBe('');
  });
});
