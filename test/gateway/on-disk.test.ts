import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseHead } from '../../src/flow/spool/head.ts';
import { startApplication } from '../lab/app-server.ts';
import type { LabServer } from '../lab/app-server.ts';
import { recordsIn } from '../lab/flow-records.ts';
import { labApp, permitAll, startLabGateway } from '../lab/gateway.ts';
import type { LabGateway, LabLaptop } from '../lab/gateway.ts';
import { httpOn } from '../lab/http-client.ts';

const host = 'grants.apps.example.org';
let lab: LabGateway;
let alice: LabLaptop;
let app: LabServer;
/** What the disk is known to have at the moment that something is seen: the head is written after a sync, never before. */
const onDisk = (): string[] => {
  const { directory } = lab.recorder;
  const head = readdirSync(directory).find((name) => name.endsWith('.head')) ?? '';
  const { sequence = 0 } = parseHead(readFileSync(join(directory, head), 'latin1')) ?? {};
  return recordsIn(directory)
    .slice(0, sequence)
    .map((record) => String(record['status_code'] ?? record['activity_name']));
};
let seenByApp: string[] = [];

beforeEach(async () => {
  app = await startApplication('grants', (_request, response) => {
    seenByApp = onDisk();
    response.end('done');
  });
  lab = await startLabGateway({
    apps: [labApp('grants', [app.url]), labApp('closed', [app.url])],
    policies: [
      permitAll,
      { kind: 'Policy', name: 'no', cedar: 'forbid (principal, action, resource == App::"closed");' },
    ],
  });
  alice = await lab.laptop('alice@example.org');
});
afterEach(async () => {
  await lab.close();
  app.close();
});

const request = async (name: string, token?: string): Promise<string> =>
  `GET / HTTP/1.1\r\nHost: ${name}\r\nProxy-Authorization: Bearer ${token ?? (await alice.token())}\r\n\r\n`;

describe('the record is on the disk', () => {
  it('of a sign-in, before the application sees anything of it', async () => {
    const socket = await alice.connect({ servername: host });
    expect((await httpOn(socket, await request(host))).body).toBe('done');
    expect(seenByApp).toEqual(['Logon', 'Logon']);
    socket.destroy();
  });

  it('of a refusal, before the client is told, and of a token that was refused', async () => {
    const socket = await alice.connect({ servername: 'closed.apps.example.org' });
    expect((await httpOn(socket, await request('closed.apps.example.org'))).status).toBe(403);
    expect(onDisk()).toEqual(['Logon', 'Logon', 'denied']);
    expect((await httpOn(socket, await request('closed.apps.example.org', 'e30.e30.e30'))).status).toBe(401);
    expect(onDisk().slice(3)).toEqual(['token-malformed', 'token-malformed']);
    socket.destroy();
  });

  it('of what is no request, before it is answered', async () => {
    const socket = await alice.connect({ servername: host });
    expect((await httpOn(socket, 'GET  / HTTP/9.9\r\n\r\n')).status).toBe(400);
    expect(onDisk()).toEqual(['Logon', 'bad-request']);
    socket.destroy();
  });

  it('of a laptop that is not let in, before its connection is cut; and it is cut all the same while nothing is written', async () => {
    lab.commit({
      type: 'device-state-changed',
      device: alice.certificate.id,
      state: 'revoked',
      reason: 'stolen',
    });
    const refused = (): Promise<string[]> =>
      alice.connect({ servername: host }).then(
        (socket) => new Promise((resolve) => socket.once('close', () => resolve(onDisk()))),
        () => onDisk(),
      );
    expect(await refused()).toEqual(['device-revoked']);
    lab.recorder.isFull = true;
    const waiting = refused();
    await lab.recorder.next(({ outcome }) => outcome?.refusal === 'device-revoked', 1);
    lab.clock.now += 11_000;
    await waiting;
    lab.recorder.isFull = false;
  });
});
