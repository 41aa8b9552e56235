/**
 * Proxies with lists of paths that need no sign-in were opened by whatever such a list looks at: a header that names
 * another URI, the user agent of a health check, a `#` or a query that makes the path match (oauth2-proxy CVE-2026-40575,
 * -34457, -41059, CVE-2025-54576). Here there is no list: without a token nothing is forwarded, whatever is written.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startApplication } from '../lab/app-server.ts';
import type { LabServer } from '../lab/app-server.ts';
import { labApp, startLabGateway } from '../lab/gateway.ts';
import type { LabGateway, LabLaptop } from '../lab/gateway.ts';
import { httpOn } from '../lab/http-client.ts';

const host = 'grants.apps.example.org';
let lab: LabGateway;
let alice: LabLaptop;
let app: LabServer;

beforeAll(async () => {
  app = await startApplication('grants');
  lab = await startLabGateway({
    apps: [labApp('grants', [app.url], { health: { path: '/healthz', every: '5s' } })],
  });
  alice = await lab.laptop('alice@example.org');
});
afterAll(async () => {
  await lab.close();
  app.close();
});

describe('requests without a token', () => {
  it.each([
    ['the health check of the app', '/healthz', ''],
    ['a favicon', '/favicon.ico', ''],
    ['our own keys', '/.well-known/postern/jwks.json', ''],
    [
      'another URI in a header',
      '/admin',
      'X-Original-URL: /healthz\r\nX-Rewrite-URL: /healthz\r\nX-Forwarded-Uri: /healthz\r\n',
    ],
    ['a health checker’s user agent', '/admin', 'User-Agent: kube-probe/1.30\r\n'],
    ['a query that looks like another path', '/admin?/healthz', ''],
    ['a preflight', '/admin', 'Origin: https://evil.example.org\r\nAccess-Control-Request-Method: GET\r\n'],
    ['an upgrade', '/admin', 'Connection: Upgrade\r\nUpgrade: websocket\r\n'],
  ])('are refused for %s', async (_what, path, fields) => {
    const before = app.requests.length;
    for (const method of ['GET', 'OPTIONS']) {
      const socket = await alice.connect({ servername: host });
      const answer = await httpOn(socket, `${method} ${path} HTTP/1.1\r\nHost: ${host}\r\n${fields}\r\n`);
      expect(answer.status).toBe(401);
      socket.destroy();
    }
    expect(app.requests).toHaveLength(before);
  });

  it('are let through with one', async () => {
    const socket = await alice.connect({ servername: host });
    const answer = await httpOn(
      socket,
      `GET /healthz HTTP/1.1\r\nHost: ${host}\r\nProxy-Authorization: Bearer ${await alice.token()}\r\n\r\n`,
    );
    expect(answer.status).toBe(200);
    socket.destroy();
  });
});
