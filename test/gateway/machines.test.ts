import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { decodeJwt } from 'jose';
import { startApplication } from '../lab/app-server.ts';
import type { LabServer } from '../lab/app-server.ts';
import { labApp, permitAll, startLabGateway } from '../lab/gateway.ts';
import type { LabGateway, LabLaptop } from '../lab/gateway.ts';
import { httpOn } from '../lab/http-client.ts';

const host = 'recorder.apps.example.org';
let lab: LabGateway;
let camera: LabLaptop;
let alice: LabLaptop;
let app: LabServer;

beforeAll(async () => {
  app = await startApplication('recorder');
  lab = await startLabGateway({
    apps: [labApp('recorder', [app.url]), labApp('wiki', [app.url])],
    policies: [
      permitAll,
      {
        kind: 'Policy',
        name: 'cameras',
        cedar: 'permit (principal is Device, action, resource == App::"recorder");',
      },
    ],
  });
  camera = await lab.laptop('buildings@example.org', { role: 'machine' });
  alice = await lab.laptop('alice@example.org');
});
afterAll(async () => {
  // The records of all this are checked against OCSF as the lab closes.
  await lab.close();
  app.close();
});
afterEach(() => expect(lab.errors).toEqual([]));

async function ask(who: LabLaptop, name = host, changes: Parameters<LabLaptop['token']>[0] = {}) {
  const socket = await who.connect({ servername: name });
  const token = await who.token(changes);
  const answer = await httpOn(
    socket,
    `POST /frames HTTP/1.1\r\nHost: ${name}\r\nProxy-Authorization: Bearer ${token}\r\nPostern-User: root@example.org\r\nContent-Length: 2\r\n\r\nhi`,
  );
  socket.destroy();
  return answer;
}

describe('a machine without a user', () => {
  it('reaches what is permitted to machines, and is named to the application as a device and not as a user', async () => {
    expect((await ask(camera)).status).toBe(200);
    const { headers } = app.requests.at(-1) ?? {};
    expect(headers).toMatchObject({ 'postern-device': camera.certificate.id });
    expect(headers).not.toHaveProperty('postern-user');
    expect(decodeJwt(String(headers?.['postern-assertion']))).toMatchObject({
      sub: `spiffe://example.org/device/${camera.certificate.id}`,
      device: camera.certificate.id,
    });
    expect((await ask(alice)).status).toBe(200);
    expect(app.requests.at(-1)?.headers).toMatchObject({ 'postern-user': 'alice@example.org' });
  });

  it('does not reach what everyone may', async () => {
    expect((await ask(alice, 'wiki.apps.example.org')).status).toBe(200);
    const requests = app.requests.length;
    expect((await ask(camera, 'wiki.apps.example.org')).status).toBe(403);
    expect(app.requests.length).toBe(requests);
  });

  it('is refused under the name of a user, and a laptop under the name of a machine', async () => {
    expect((await ask(camera, host, { user: 'alice@example.org' })).status).toBe(403);
    const name = `spiffe://example.org/device/${camera.certificate.id}`;
    expect((await ask(alice, host, { user: name })).status).toBe(403);
    expect(lab.recorder.records.at(-1)?.facts.decision).toMatchObject({ reasons: ['user-mismatch'] });
  });

  it('is cut off when it is revoked', async () => {
    const robot = await lab.laptop('buildings@example.org', { role: 'machine' });
    const session = await robot.session();
    const closed = new Promise((resolve) => session.once('close', resolve));
    lab.commit({
      type: 'device-state-changed',
      device: robot.certificate.id,
      state: 'revoked',
      reason: 'stolen from its mast',
    });
    await closed;
    await expect(robot.session()).rejects.toThrow();
  });
});
