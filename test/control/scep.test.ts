import { X509Certificate } from 'node:crypto';
import * as fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import type { AuthorityCertificate } from '../../certs/signer.ts';
import { identifyDevice } from '../../src/identity/device-identity.ts';
import { LedgerUnavailable } from '../../src/ledger/ledger.ts';
import { startApplication } from '../lab/app-server.ts';
import { labApp, startLabGateway } from '../lab/gateway.ts';
import { httpOn } from '../lab/http-client.ts';
import { issueManagedDevice, makeManagedAuthority } from '../lab/managed.ts';
import { hasOpenssl, opensslHint } from '../lab/openssl.ts';
import { createScepClient } from '../lab/scep-client.ts';
import type { CertRep, MessageOptions, ScepClient } from '../lab/scep-client.ts';
import { startControlLab } from './control-lab.ts';
import type { ControlLab } from './control-lab.ts';

vi.setConfig({ testTimeout: 90_000, hookTimeout: 90_000 });
let managed: AuthorityCertificate;
let lab: ControlLab;
let phone: ScepClient;
const clients: ScepClient[] = [];
const newClient = (of = lab): ScepClient => {
  const client = createScepClient({ port: of.port, rootPem: of.organization.rootPem });
  clients.push(client);
  return client;
};
beforeAll(async () => {
  managed = await makeManagedAuthority();
  lab = await startControlLab({ managed, scep: true });
  phone = newClient();
});
afterAll(async () => {
  for (const client of clients) client.remove();
  await lab.close();
});
// Each failure counts against the address; a minute later none does.
beforeEach(() => lab.pass(61_000));

async function challenge(of = lab, more: object = {}): Promise<string> {
  const body = { user: 'alice@example.org', protocol: 'scep', ...more };
  const answer = await of.ask('POST', '/v1/enrollment-tokens', { body });
  if (answer.status !== 200) throw new Error(answer.text);
  return String(answer.body.token);
}
async function transact(options: MessageOptions, client = phone): Promise<CertRep> {
  const { status, type, bytes } = await client.post(await client.message(options));
  expect({ status, type }).toEqual({ status: 200, type: 'application/x-pki-message' });
  return client.open(bytes, managed.certificatePem, options.signer);
}
const refusedAs = (failInfo = '2') => ({ attributes: { pkiStatus: '2', failInfo }, chainPem: '' });
const devices = (): number => lab.store.state.devices.size;

describe.skipIf(!hasOpenssl)(`SCEP${opensslHint}`, () => {
  it('says what it can, nothing of DES and SHA-1 in it, and gives its certificates, of which one alone is an authority', async () => {
    const caps = await phone.ask('GET', '?operation=GetCACaps');
    expect(caps).toMatchObject({ status: 200, type: 'text/plain' });
    expect(caps.bytes.toString()).toBe(
      'AES\nPOSTPKIOperation\nSHA-256\nSHA-384\nSHA-512\nRenewal\nSCEPStandard\n',
    );
    expect(await phone.ask('GET', '?operation=GetCACert')).toMatchObject({
      type: 'application/x-x509-ca-ra-cert',
    });
    const [registration, authority] =
      (await phone.fetchCertificates())
        .match(/-----BEGIN[^-]+-----[^-]+-----END[^-]+-----/g)
        ?.map((pem) => new X509Certificate(pem)) ?? [];
    expect(authority?.fingerprint256).toBe(new X509Certificate(managed.certificatePem).fingerprint256);
    expect(registration?.ca).toBe(false);
    expect(registration?.publicKey.equals(authority?.publicKey as never)).toBe(false);
    // Its authority is trusted for devices, and it is none.
    const options = { managedAuthorityPem: managed.certificatePem };
    expect(identifyDevice(registration as X509Certificate, lab.store.state, 0, options)).toMatchObject({
      code: 'certificate-profile',
    });
  });

  it('certifies a device for a challenge, which reaches an app through the gateway, as one without a challenge does not', async () => {
    const given = await transact({ challenge: await challenge(), nonce: 'sixteen octets..' });
    expect(given.attributes).toMatchObject({
      messageType: '3',
      pkiStatus: '0',
      recipientNonce: 'sixteen octets..',
    });
    const leaf = new X509Certificate(given.chainPem);
    const id = /device\/(d-[a-z2-7]+)$/.exec(leaf.subjectAltName ?? '')?.[1] ?? '';
    const device = lab.store.state.devices.get(id as never);
    expect(device).toMatchObject({
      user: 'alice@example.org',
      state: 'active',
      certificates: [{ managed: true }],
    });
    if (device === undefined) throw new TypeError('no device');
    expect(lab.logged()).toMatch(new RegExp(`"device":"${id}","msg":"certificate issued by SCEP"`));

    const neighbour = newClient();
    expect(await transact({}, neighbour)).toMatchObject(refusedAs());

    const app = await startApplication('grants');
    const gateway = await startLabGateway({
      apps: [labApp('grants', [app.url])],
      managedAuthorityPem: managed.certificatePem,
    });
    try {
      const alice = await gateway.laptop('alice@example.org');
      for await (const { data } of lab.ledger.read(0)) {
        const event = JSON.parse(data);
        if (event.device === id || event.type === 'enrollment-token-created') gateway.commit(event);
      }
      const host = 'grants.apps.example.org';
      const certificate = device.certificates[0];
      const token = await alice.token({ device: device.id, thumbprint: certificate?.thumbprint ?? '' });
      const askAs = async (client: { cert: string; key: string }): Promise<number> => {
        const socket = await alice.connect({ servername: host, ...client });
        const head = `GET / HTTP/1.1\r\nHost: ${host}\r\nProxy-Authorization: Bearer ${token}\r\n\r\n`;
        const answer = await httpOn(socket, head);
        socket.destroy();
        return answer.status;
      };
      expect(await askAs({ cert: given.chainPem, key: phone.keyPem })).toBe(200);
      await expect(askAs({ cert: neighbour.ownPem, key: neighbour.keyPem })).rejects.toThrow();
    } finally {
      await gateway.close();
      app.close();
    }
  });

  it.each<MessageOptions>([
    { hash: 'sha512', cipher: '-aes256' },
    { hash: 'sha384' },
    { oaep: true },
    { indefinite: true },
  ])('speaks also %o, and answers in kind', async (options) => {
    const given = await transact({ challenge: await challenge(), ...options });
    expect(given.attributes.pkiStatus).toBe('0');
  });

  it('takes a message in the query of a GET, and one whose type is not named', async () => {
    const message = await phone.message({ challenge: await challenge() });
    const query = `?operation=PKIOperation&message=${encodeURIComponent(message.toString('base64'))}`;
    const { bytes } = await phone.ask('GET', query);
    expect(phone.open(bytes, managed.certificatePem).attributes.pkiStatus).toBe('0');
    const other = await phone.message({ challenge: await challenge() });
    const untyped = await phone.ask('POST', '?operation=PKIOperation', other);
    expect(phone.open(untyped.bytes, managed.certificatePem).attributes.pkiStatus).toBe('0');
  });

  it('refuses a challenge that is wrong, used, expired, of a connector or no challenge, and says why in the log alone', async () => {
    const used = await challenge();
    await transact({ challenge: used });
    const old = await challenge(lab, { ttlSeconds: 60 });
    lab.pass(61_000);
    const before = devices();
    const wrong = used.replace(/.$/, (digit) => (digit === '0' ? '1' : '0'));
    for (const bad of [wrong, used, old, 'scep1.x', await lab.token(), undefined])
      expect(await transact(bad === undefined ? {} : { challenge: bad })).toMatchObject(refusedAs());
    expect(lab.logged()).toContain('was used by d-');
    expect(lab.logged()).not.toContain(used.split('.')[2]);
    expect(devices()).toBe(before);
    const connector = { user: 'ops', protocol: 'scep', role: 'connector', network: 'x' };
    expect(await lab.ask('POST', '/v1/enrollment-tokens', { body: connector })).toMatchObject({
      status: 400,
    });
  });

  it('enrolls nobody elsewhere with its challenge', async () => {
    const { createKeyAndRequest } = await import('../../certs/request.ts');
    const body = { token: await challenge(), csr: (await createKeyAndRequest()).csrPem };
    expect(await lab.ask('POST', '/v1/enroll', { key: null, body })).toMatchObject({
      status: 403,
      body: { code: 'enrollment-token-invalid' },
    });
    expect(await transact({ challenge: body.token })).toMatchObject({ attributes: { pkiStatus: '0' } });
  });

  it('certifies no key but that which signed, so nobody sends on the request of another', async () => {
    const mallory = newClient();
    const stolen = await phone.seal(phone.makeCsr(await challenge()));
    expect(await transact({ envelope: stolen }, mallory)).toMatchObject(refusedAs());
    expect(await transact({ envelope: stolen })).toMatchObject({ attributes: { pkiStatus: '0' } });
  });

  it('refuses ciphers that are not AES by their name, and hashes and messages that are not whole with a problem', async () => {
    expect(await transact({ challenge: 'x', cipher: '-des3' })).toMatchObject(refusedAs('0'));
    const weak = await phone.post(await phone.message({ hash: 'sha1' }));
    expect(weak).toMatchObject({ status: 400, type: 'application/problem+json' });
    for (const leaveOut of ['messageType', 'transactionId', 'senderNonce'] as const)
      expect(await phone.post(await phone.message({ leaveOut }))).toMatchObject({ status: 400 });
    expect(await phone.post(await phone.message({ nonce: 'short' }))).toMatchObject({ status: 400 });
  });

  it('renews for the key of a certificate in force, once a message, and not when the ledger is away or its device revoked', async () => {
    const device = newClient();
    const { chainPem } = await transact({ challenge: await challenge() }, device);
    const signer = { chainPem, keyPem: device.keyPem };
    const message = await device.message({ type: '17', signer });
    const append = vi.spyOn(lab.ledger, 'append').mockRejectedValueOnce(new LedgerUnavailable('disk full'));
    const tooEarly = device.open((await device.post(message)).bytes, managed.certificatePem, signer);
    expect(tooEarly.attributes.pkiStatus).toBe('2');
    append.mockRestore();
    const renewed = device.open((await device.post(message)).bytes, managed.certificatePem, signer);
    expect(renewed.attributes.pkiStatus).toBe('0');
    const again = device.open((await device.post(message)).bytes, managed.certificatePem, signer);
    expect(again).toMatchObject(refusedAs());
    const newer = { chainPem: renewed.chainPem, keyPem: device.keyPem };
    expect((await transact({ type: '17', signer: newer }, device)).attributes.pkiStatus).toBe('0');
    const id = /d-[a-z2-7]+$/.exec(new X509Certificate(chainPem).subjectAltName ?? '')?.[0] ?? '';
    await lab.ask('POST', `/v1/devices/${id}/state`, { body: { state: 'lost', reason: 'train' } });
    expect(await transact({ type: '17', signer: newer }, device)).toMatchObject(refusedAs());
    expect(lab.parts.lostDevices.attempts).toBe(1);
  });

  it('renews nothing for a self-signed certificate, one the ledger does not know, or one of another authority', async () => {
    expect(await transact({ type: '17' })).toMatchObject(refusedAs());
    for (const authority of [managed, await makeManagedAuthority()]) {
      const { chainPem, keyPem } = await issueManagedDevice(authority, 'd-forged');
      expect(await transact({ type: '17', signer: { chainPem, keyPem } })).toMatchObject(refusedAs());
    }
  });

  it('stops an address that fails too often', async () => {
    const statuses = new Set<number>();
    for (let i = 0; i < 25; i++) statuses.add((await phone.post(Buffer.from('30003000', 'hex'))).status);
    expect(statuses).toEqual(new Set([400, 429]));
  });

  it('takes no flipped bit, and no input makes more of it than a refusal', async () => {
    const envelope = await phone.seal(phone.makeCsr(await challenge()));
    const good = await phone.message({ envelope });
    const before = devices();
    const check = async (bytes: Buffer): Promise<void> => {
      lab.pass(61_000);
      const { status, type } = await phone.post(bytes);
      expect([200, 400]).toContain(status);
      expect(type).toMatch(status === 200 ? /x-pki-message/ : /problem\+json/);
      expect(devices()).toBe(before);
    };
    const flip = (bit: number): Buffer => {
      const flipped = Buffer.from(good);
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      return flipped;
    };
    // CMS signs neither its own version numbers nor what it names algorithms with: those bits decide nothing.
    const start = good.indexOf(envelope);
    const inside = fc.integer({ min: start * 8, max: (start + envelope.length) * 8 - 1 });
    const signature = fc.integer({ min: (good.length - 256) * 8, max: good.length * 8 - 1 });
    await fc.assert(
      fc.asyncProperty(fc.oneof(inside, signature), (bit) => check(flip(bit))),
      { numRuns: 60 },
    );
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), (bytes) => check(Buffer.from(bytes))),
      {
        numRuns: 40,
      },
    );
    await fc.assert(
      fc.asyncProperty(fc.nat(good.length - 1), (length) => check(good.subarray(0, length))),
      { numRuns: 30 },
    );
    expect((await phone.post(good)).status).toBe(200);
    expect(devices()).toBe(before + 1);
    // The challenge is used: what any other flipped bit leaves good would now be a repetition.
    await fc.assert(
      fc.asyncProperty(fc.nat(good.length * 8 - 1), async (bit) => {
        lab.pass(61_000);
        expect([200, 400]).toContain((await phone.post(flip(bit))).status);
        expect(devices()).toBe(before + 1);
      }),
      { numRuns: 60 },
    );
    expect(lab.logged()).not.toContain('internal-error');
  });

  it('is not there unless the settings say so', async () => {
    const plain = await startControlLab({ managed });
    try {
      const client = newClient(plain);
      expect(await client.ask('GET', '?operation=GetCACaps')).toMatchObject({ status: 404 });
      expect(await client.post(Buffer.from('{}'), 'application/json')).toMatchObject({ status: 404 });
      const body = { user: 'alice@example.org', protocol: 'scep' };
      expect(await plain.ask('POST', '/v1/enrollment-tokens', { body })).toMatchObject({
        status: 404,
        body: { code: 'scep-off' },
      });
    } finally {
      await plain.close();
    }
  });
});
