import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { connect as connectTcp } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { ConnectionOptions } from 'node:tls';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { labApp, startLabGateway } from '../lab/gateway.ts';
import { useGrants } from '../lab/grants.ts';
import { httpOn } from '../lab/http-client.ts';
import { makeOrganization } from '../lab/pki.ts';

const grants = useGrants({ limits: { handshakeTimeoutMs: 500 } });
const { host } = grants;

/** Connects, asks for something, and says how it ended: an error's code, `closed`, or the answer's status. */
async function attempt(options: ConnectionOptions): Promise<string> {
  const socket = connectTls({
    host: '127.0.0.1',
    port: grants.lab.port,
    servername: host,
    ca: grants.lab.organization.rootPem,
    ALPNProtocols: ['http/1.1'],
    ...options,
  });
  const failed = new Promise<string>((resolve) =>
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(`${error.code} ${error.message}`)),
  );
  const answered = httpOn(socket, `GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`).then(
    ({ status }) => String(status),
    () => 'closed',
  );
  const outcome = await Promise.race([failed, answered]);
  socket.destroy();
  return outcome;
}

const recordOf = (code: string) =>
  grants.lab.recorder.next(({ kind, outcome }) => kind === 'authentication' && outcome?.refusal === code);

describe('handshakes', () => {
  it('lets in a laptop of the ledger, by a name in any case', async () => {
    const own = { cert: grants.alice.certificate.chainPem, key: grants.alice.certificate.keyPem };
    expect(await attempt(own)).toBe('401');
    expect(await attempt({ ...own, servername: 'GRANTS.Apps.Example.Org' })).toBe('401');
    const record = await grants.lab.recorder.next(
      ({ kind, outcome }) => kind === 'authentication' && outcome?.refusal === undefined,
    );
    expect(record.facts.connection).toMatchObject({
      tls: { version: 'TLSv1.3', serverName: host, alpn: 'http/1.1' },
      certificate: {
        device: grants.alice.certificate.id,
        serial: grants.alice.certificate.serial,
        thumbprint: grants.alice.certificate.thumbprint,
      },
    });
  });

  it('shows the app’s own certificate, chained to the root', async () => {
    const socket = await grants.alice.connect({ servername: host });
    expect(socket.getPeerX509Certificate()?.subjectAltName).toBe(`DNS:${host}`);
    expect(socket.authorized).toBe(true);
    expect(socket.getEphemeralKeyInfo()).toMatchObject({ name: 'X25519MLKEM768' });
    socket.destroy();
  });

  it('sends the alert to every client without a certificate, however fast it answers', async () => {
    // Clients of another process: in this one, no answer can come while the gateway's own write is being completed.
    const script = `
      import { connect } from 'node:tls';
      const [port, servername, ca] = process.argv.slice(1);
      const seen = {};
      for (let count = 0; count < 200; count += 1) {
        const how = await new Promise((resolve) => {
          const socket = connect({ host: '127.0.0.1', port: Number(port), servername, ca });
          socket.once('error', ({ code }) => resolve(code));
          socket.once('end', () => resolve('closed without a word'));
          socket.resume();
        });
        seen[how] = (seen[how] ?? 0) + 1;
      }
      console.log(JSON.stringify(seen));`;
    const args = [
      '--input-type=module',
      '--eval',
      script,
      String(grants.lab.port),
      host,
      grants.lab.organization.rootPem,
    ];
    const { stdout } = await promisify(execFile)(process.execPath, args);
    expect(JSON.parse(stdout)).toEqual({ ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED: 200 });
  });

  it('refuses a client without a certificate by the alert for that', async () => {
    expect(await attempt({})).toMatch(/certificate required/);
    expect((await recordOf('certificate-missing')).facts.connection.source.address).toBe('127.0.0.1');
  });

  it('refuses a certificate of another authority, and has it on record', async () => {
    const other = await makeOrganization();
    const device = await other.issueDevice({ id: grants.alice.certificate.id });
    expect(await attempt({ cert: device.chainPem, key: device.keyPem })).not.toMatch(/^[1-5][0-9]{2}$/);
    expect((await recordOf('certificate-untrusted')).facts.connection.certificate).toMatchObject({
      serial: device.serial,
      thumbprint: device.thumbprint,
    });
  });

  it('refuses a certificate of the service authority, which is for servers', async () => {
    const service = await grants.lab.organization.issueApp('laptop.example.org');
    expect(await attempt({ cert: service.chainPem, key: service.keyPem })).not.toMatch(/^[1-5][0-9]{2}$/);
    const record = await grants.lab.recorder.next(
      ({ facts }) => facts.connection.certificate?.serial === service.serial,
    );
    expect(record.outcome?.refusal).toBe('certificate-untrusted');
  });

  it('refuses expired and not yet valid certificates by their own codes', async () => {
    const day = 86_400_000;
    const expired = await grants.lab.laptop('old@example.org', { now: new Date(Date.now() - 20 * day) });
    expect(
      await attempt({ cert: expired.certificate.chainPem, key: expired.certificate.keyPem }),
    ).not.toMatch(/^[1-5][0-9]{2}$/);
    expect((await recordOf('certificate-expired')).facts.connection.certificate?.serial).toBe(
      expired.certificate.serial,
    );
    const early = await grants.lab.laptop('early@example.org', { now: new Date(Date.now() + 2 * day) });
    expect(await attempt({ cert: early.certificate.chainPem, key: early.certificate.keyPem })).not.toMatch(
      /^[1-5]/,
    );
    await recordOf('certificate-not-yet-valid');
  });

  it('refuses a certificate that our authority issued and the ledger does not know', async () => {
    const unknown = await grants.lab.organization.issueDevice();
    expect(await attempt({ cert: unknown.chainPem, key: unknown.keyPem })).not.toMatch(/^[1-5][0-9]{2}$/);
    await recordOf('device-unknown');
    const second = await grants.lab.organization.issueDevice({ id: grants.alice.certificate.id });
    expect(await attempt({ cert: second.chainPem, key: second.keyPem })).not.toMatch(/^[1-5][0-9]{2}$/);
    await recordOf('certificate-unknown');
  });

  it('refuses a connector’s certificate: it opens another door', async () => {
    const connector = await grants.lab.organization.issueDevice({ role: 'connector' });
    expect(await attempt({ cert: connector.chainPem, key: connector.keyPem })).not.toMatch(/^[1-5][0-9]{2}$/);
    await recordOf('certificate-profile');
  });

  it('answers an unknown server name with the alert for that', async () => {
    const own = { cert: grants.alice.certificate.chainPem, key: grants.alice.certificate.keyPem };
    expect(await attempt({ ...own, servername: 'nowhere.example.org' })).toMatch(/unrecognized name/);
    const record = await recordOf('server-name-unknown');
    expect(record.outcome?.detail).toBe('nowhere.example.org');
  });

  it('refuses TLS 1.2', async () => {
    const own = { cert: grants.alice.certificate.chainPem, key: grants.alice.certificate.keyPem };
    expect(await attempt({ ...own, maxVersion: 'TLSv1.2' })).toMatch(/protocol version/);
    await recordOf('handshake-failed');
  });

  it('gives up on a handshake that does not move', async () => {
    const socket = connectTcp(grants.lab.port, '127.0.0.1');
    socket.on('error', () => undefined);
    socket.resume();
    await once(socket, 'close');
    const record = await grants.lab.recorder.next(
      ({ outcome }) => outcome?.detail === 'ERR_TLS_HANDSHAKE_TIMEOUT',
    );
    expect(record.outcome?.refusal).toBe('handshake-failed');
  });

  it('never resumes a session: each handshake proves its certificate', async () => {
    let session: Buffer | undefined;
    const first = await grants.alice.connect({ servername: host });
    first.on('session', (data) => (session = data));
    await httpOn(first, `GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
    first.destroy();
    const second = await grants.alice.connect({
      servername: host,
      ...(session === undefined ? {} : { session }),
    });
    expect(second.isSessionReused()).toBe(false);
    second.destroy();
    expect(grants.lab.errors).toEqual([]);
  });

  it('bounds the connections of one address', async () => {
    const small = await startLabGateway({
      apps: [labApp('grants', [grants.app.url])],
      limits: { maxConnectionsPerAddress: 2 },
    });
    const bob = await small.laptop('bob@example.org');
    const open = [await bob.connect({ servername: host }), await bob.connect({ servername: host })];
    await expect(bob.connect({ servername: host })).rejects.toThrow();
    await small.recorder.next(({ outcome }) => outcome?.refusal === 'too-many-connections');
    const freed = once(open[0] as never, 'close');
    open[0]?.destroy();
    await freed;
    let third = await bob.connect({ servername: host }).catch(() => undefined);
    while (third === undefined) third = await bob.connect({ servername: host }).catch(() => undefined);
    third.destroy();
    await small.close();
  });
});
