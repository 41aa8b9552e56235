/**
 * A client sends `Connection: Postern-User, X-Forwarded-For`. A proxy that adds its identity headers first and removes
 * what Connection names afterwards takes its own away, and the application behind it sees a request from nobody, or from
 * whom it defaults to (@fastify/reply-from CVE-2026-33805, Fabio CVE-2025-48865).
 */
import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { useGrants } from '../lab/grants.ts';
import { httpOn } from '../lab/http-client.ts';

const identity = [
  'postern-user',
  'postern-device',
  'postern-assertion',
  'postern-flow-id',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-proto',
  'forwarded',
  'host',
];
const grants = useGrants();
const { host } = grants;

describe('a Connection header that names our own', () => {
  it('takes nothing away but the client’s own field', async () => {
    const socket = await grants.alice.connect({ servername: host });
    const answer = await httpOn(
      socket,
      `GET / HTTP/1.1\r\nHost: ${host}\r\nProxy-Authorization: Bearer ${await grants.alice.token()}\r\n` +
        `Connection: keep-alive, ${identity.join(', ')}, X-Own\r\nX-Own: 1\r\nX-Other: 2\r\n\r\n`,
    );
    const { headers } = JSON.parse(answer.body);
    for (const name of identity) expect(headers[name], name).toBeDefined();
    expect(headers).toMatchObject({ 'postern-user': 'alice@example.org', 'x-other': '2' });
    expect(headers['x-own']).toBeUndefined();
    socket.destroy();
  });

  it('takes nothing away from an upgrade', async () => {
    const socket = await grants.alice.connect({ servername: host });
    const webSocket = new WebSocket(`ws://${host}/live`, {
      createConnection: () => socket,
      headers: {
        'proxy-authorization': `Bearer ${await grants.alice.token()}`,
        connection: `Upgrade, ${identity.join(', ')}`,
      },
    });
    await once(webSocket, 'message');
    for (const name of identity) expect(grants.app.requests.at(-1)?.headers[name], name).toBeDefined();
    webSocket.terminate();
  });
});
