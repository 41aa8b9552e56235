import { once } from 'node:events';
import type { ClientHttp2Session } from 'node:http2';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { postureSignal } from '../../src/contract/posture-signal.ts';
import { labApp, startLabGateway } from '../lab/gateway.ts';
import type { LabGateway } from '../lab/gateway.ts';
import { http2Request } from '../lab/http2-client.ts';

let lab: LabGateway;
beforeAll(async () => {
  lab = await startLabGateway({ apps: [labApp('grants', ['http://127.0.0.1:1'])] });
});
afterAll(async () => {
  expect(lab.errors).toEqual([]);
  await lab.close();
});

/** What of PINGs comes on a session, the acknowledgements of our own left out. */
function pingsOf(session: ClientHttp2Session): string[] {
  const pings: string[] = [];
  session.on('ping', (payload: Buffer) => void pings.push(payload.toString('latin1')));
  return pings;
}
/** Returns when all that the gateway sent before has come. */
const settle = (session: ClientHttp2Session): Promise<void> =>
  new Promise((resolve, reject) => {
    session.ping((error) => (error === null ? resolve() : reject(error)));
  });

it('asks a device on each of its sessions, and no other device', async () => {
  const [alice, bob] = [await lab.laptop('alice@example.org'), await lab.laptop('bob@example.org')];
  const sessions = [await alice.session(), await alice.session(), await bob.session()];
  const pings = sessions.map(pingsOf);
  lab.gateway.askPosture(alice.certificate.id);
  await Promise.all(sessions.map(settle));
  expect(pings).toEqual([['posture?'], ['posture?'], []]);
  expect(postureSignal).toHaveLength(8);
});

it('asks before there is a token, and again as often as it is told to', async () => {
  const carol = await lab.laptop('carol@example.org');
  const session = await carol.session();
  const pings = pingsOf(session);
  for (let round = 0; round < 3; round += 1) {
    lab.gateway.askPosture(carol.certificate.id);
    await settle(session);
  }
  expect(pings).toHaveLength(3);
  const answer = await http2Request(session, {
    ':method': 'GET',
    ':scheme': 'https',
    ':authority': 'gateway.example.org',
    ':path': '/.well-known/postern/status',
    'proxy-authorization': `Bearer ${await carol.token()}`,
  });
  expect(answer.status).toBe(200);
});

it('asks nobody who is unknown, gone, or speaks HTTP/1.1', async () => {
  lab.gateway.askPosture('d-nobody' as never);
  const dave = await lab.laptop('dave@example.org');
  const plain = await dave.connect({ servername: 'gateway.example.org' });
  const session = await dave.session();
  const closed = once(session, 'close');
  session.destroy();
  await closed;
  lab.gateway.askPosture(dave.certificate.id);
  plain.write('GET / HTTP/1.1\r\nHost: gateway.example.org\r\nConnection: close\r\n\r\n');
  const [head] = (await once(plain, 'data')) as [Buffer];
  expect(head.toString()).toMatch(/^HTTP\/1\.1 401 /);
  plain.destroy();
});
