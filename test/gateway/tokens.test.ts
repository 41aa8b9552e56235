import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createSigningKey, loadSigningKey } from '../../src/identity/signing-key.ts';
import { signSessionToken } from '../../src/identity/session-token.ts';
import { startApplication } from '../lab/app-server.ts';
import type { LabServer } from '../lab/app-server.ts';
import { labApp, startLabGateway } from '../lab/gateway.ts';
import type { LabGateway, LabLaptop } from '../lab/gateway.ts';
import { httpOn } from '../lab/http-client.ts';

const host = 'grants.apps.example.org';
let lab: LabGateway;
let alice: LabLaptop;
let bob: LabLaptop;
let app: LabServer;

beforeAll(async () => {
  app = await startApplication('grants');
  lab = await startLabGateway({ apps: [labApp('grants', [app.url])] });
  [alice, bob] = [await lab.laptop('alice@example.org'), await lab.laptop('bob@example.org')];
});
afterAll(async () => {
  await lab.close();
  app.close();
  expect(lab.errors).toEqual([]);
});

const nowSeconds = () => Math.floor(Date.now() / 1000);
const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');

async function ask(laptop: LabLaptop, ...tokens: (string | undefined)[]) {
  const socket = await laptop.connect({ servername: host });
  const codes: unknown[] = [];
  for (const token of tokens) {
    const field = token === undefined ? '' : `Proxy-Authorization: ${token}\r\n`;
    const answer = await httpOn(socket, `GET / HTTP/1.1\r\nHost: ${host}\r\n${field}\r\n`);
    codes.push(answer.status === 200 ? 200 : JSON.parse(answer.body).code);
    if (answer.status === 401)
      expect(answer.headers['proxy-authenticate']).toMatch(/^Bearer realm="postern"/);
  }
  socket.destroy();
  return codes;
}

describe('session tokens', () => {
  it('are remembered for the connection, and for it alone', async () => {
    const token = `Bearer ${await alice.token()}`;
    expect(await ask(alice, token, undefined, token)).toEqual([200, 200, 200]);
    expect(await ask(alice, undefined)).toEqual(['token-missing']);
  });

  it('that are not valid are refused, never passed over for an earlier one, which stands', async () => {
    const token = `Bearer ${await alice.token()}`;
    const stolen = `Bearer ${await bob.token()}`;
    expect(await ask(alice, token, stolen, undefined)).toEqual([200, 'token-bound-elsewhere', 200]);
    expect(await ask(bob, stolen)).toEqual([200]);
    const record = await lab.recorder.next(
      ({ kind, outcome }) => kind === 'authentication' && outcome?.refusal === 'token-bound-elsewhere',
    );
    expect(record.facts.connection.certificate?.device).toBe(alice.certificate.id);
  });

  it.each([
    [
      'of another scheme',
      async () => `Basic ${Buffer.from('alice:secret').toString('base64')}`,
      'token-malformed',
    ],
    ['that are no tokens', async () => 'Bearer not.a.token', 'token-malformed'],
    [
      'with alg none',
      async () => `Bearer ${part({ alg: 'none' })}.${part({ sub: 'alice@example.org' })}.`,
      'token-malformed',
    ],
    [
      'with an altered payload',
      async () => {
        const [header, , signature] = (await alice.token()).split('.');
        return `Bearer ${header}.${part({ sub: 'root' })}.${signature}`;
      },
      'token-signature',
    ],
    [
      'of another key',
      async () => {
        const key = createSigningKey('session', nowSeconds());
        const signed = await signSessionToken(loadSigningKey(key.published.kid, key.privateKeyPem), {
          domain: 'example.org',
          user: 'alice@example.org' as never,
          device: alice.certificate.id,
          thumbprint: alice.certificate.thumbprint,
          claims: {},
          posture: undefined,
          now: nowSeconds(),
        });
        return `Bearer ${signed.token}`;
      },
      'token-signature',
    ],
    [
      'that have expired',
      async () => `Bearer ${await alice.token({ now: nowSeconds() - 700 })}`,
      'token-expired',
    ],
    [
      'from the future',
      async () => `Bearer ${await alice.token({ now: nowSeconds() + 300 })}`,
      'token-not-yet-valid',
    ],
    [
      'for another device with this certificate',
      async () => `Bearer ${await alice.token({ device: bob.certificate.id })}`,
      'token-bound-elsewhere',
    ],
  ])('%s are refused', async (_what, make, code) => {
    const good = `Bearer ${await alice.token()}`;
    expect(await ask(alice, await make(), good)).toEqual([code, 200]);
  });

  it('are never sent on to an application, nor kept in a record', async () => {
    const token = await alice.token();
    await ask(alice, `Bearer ${token}`);
    expect(JSON.stringify(app.requests.at(-1)?.rawHeaders)).not.toContain(token.slice(-80));
    expect(JSON.stringify(lab.recorder.records)).not.toContain(token.slice(-80));
  });
});
