/**
 * A gateway that swaps its listeners or servers when its configuration changes drops every WebSocket and tunnel at once,
 * and all laptops come back in the same second (pomerium#4233, cloudflared#1282). A change here swaps the state; a flow
 * that it does not deny does not notice.
 */
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTcpService } from '../lab/app-server.ts';
import type { LabServer } from '../lab/app-server.ts';
import { labApp, permitAll, startLabGateway } from '../lab/gateway.ts';
import type { LabGateway, LabLaptop } from '../lab/gateway.ts';
import { http2Tunnel } from '../lab/http2-client.ts';

let lab: LabGateway;
let alice: LabLaptop;
let echo: LabServer;

beforeAll(async () => {
  echo = await startTcpService((socket) => void socket.pipe(socket));
  lab = await startLabGateway({ apps: [labApp('echo', [echo.url], { protocol: 'tcp', ports: [7] })] });
  alice = await lab.laptop('alice@example.org');
});
afterAll(async () => {
  await lab.close();
  echo.close();
});

describe('a change of what others use', () => {
  it('leaves a tunnel open through apps, policies, certificates and keys that come and go', async () => {
    const session = await alice.session();
    const tunnel = await http2Tunnel(session, 'echo.apps.example.org:7', await alice.token());
    const other = labApp('other', ['http://127.0.0.1:1']);
    lab.commit({ type: 'resource-put', resource: other });
    lab.commit({ type: 'resource-put', resource: { ...permitAll, name: 'more' } });
    lab.commit(
      { type: 'resource-deleted', kind: 'Policy', name: 'more' },
      { type: 'resource-deleted', kind: 'App', name: 'other' },
    );
    const renewed = await lab.organization.issueGateway();
    lab.gateway.setCertificate(renewed.chainPem, renewed.keyPem);
    lab.gateway.replaceState(structuredClone(lab.state));
    tunnel.write('still here');
    const [echoed] = (await once(tunnel, 'data')) as [Buffer];
    expect(String(echoed)).toBe('still here');
    const next = await alice.session();
    expect((next.socket as unknown as import('node:tls').TLSSocket).authorized).toBe(true);
    next.destroy();
    session.destroy();
    expect(lab.errors).toEqual([]);
  });
});
