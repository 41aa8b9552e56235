import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createKeyAndRequest } from '../../../certs/request.ts';
import { hasOpenssl, openssl, opensslHint } from '../../lab/openssl.ts';
import { startControlLab } from '../control-lab.ts';
import type { ControlLab } from '../control-lab.ts';

const directory = mkdtempSync(join(tmpdir(), 'postern-crl-'));
const at = (name: string): string => join(directory, name);
let lab: ControlLab;
beforeAll(async () => {
  lab = await startControlLab();
  writeFileSync(at('root.pem'), lab.organization.rootPem);
  writeFileSync(at('authority.pem'), lab.organization.authorities.device.certificatePem);
});
afterAll(async () => {
  await lab.close();
  rmSync(directory, { recursive: true });
});

/** Without a key and without a certificate, as a third party asks. */
async function fetchList(form: 'crl' | 'pem'): Promise<{ type: string | undefined; body: Buffer }> {
  const outgoing = request({
    host: '127.0.0.1',
    port: lab.port,
    path: `/v1/crl/devices.${form}`,
    ca: lab.organization.rootPem,
    agent: false,
  });
  outgoing.end();
  const [response] = (await once(outgoing, 'response')) as [IncomingMessage];
  const body = Buffer.concat(await Array.fromAsync(response as AsyncIterable<Buffer>));
  expect(response.statusCode).toBe(200);
  return { type: response.headers['content-type'], body };
}
async function listed(): Promise<{ text: string; number: bigint; serials: string[] }> {
  writeFileSync(at('list.pem'), (await fetchList('pem')).body);
  const { out: text } = openssl(['crl', '-in', at('list.pem'), '-noout', '-text', '-crlnumber']);
  return {
    text,
    number: BigInt(
      /crlNumber=0x([0-9A-F]+)/.exec(text)?.[1] ? `0x${/crlNumber=0x([0-9A-F]+)/.exec(text)?.[1]}` : -1,
    ),
    serials: [...text.matchAll(/Serial Number: ([0-9A-F]+)/g)].map(([, serial = '']) =>
      serial.replace(/^0+/, ''),
    ),
  };
}
const change = (device: string, state: string) =>
  lab.ask('POST', `/v1/devices/${device}/state`, { body: { state, reason: 'test' } });
const serialsOf = (device: string): string[] =>
  lab.store.state.devices.get(device as never)?.certificates.map(({ serial }) => serial) ?? [];
const verify = (name: string) =>
  openssl([
    ...['verify', '-crl_check', '-CAfile', at('root.pem'), '-untrusted', at('authority.pem')],
    ...['-CRLfile', at('list.pem'), at(name)],
  ]);

describe.skipIf(!hasOpenssl)(`the revocation list of devices${opensslHint}`, () => {
  it('is signed by the device authority, empty at first, and OpenSSL says so', async () => {
    const { text, serials } = await listed();
    expect(serials).toEqual([]);
    expect(text).toContain('No Revoked Certificates');
    const checked = openssl([
      'crl',
      '-in',
      at('list.pem'),
      '-noout',
      '-verify',
      '-CAfile',
      at('authority.pem'),
    ]);
    expect(checked.err).toContain('verify OK');
    const stranger = openssl(['crl', '-in', at('list.pem'), '-noout', '-verify', '-CAfile', at('root.pem')]);
    expect(stranger.err).not.toContain('verify OK');
    const der = await fetchList('crl');
    expect(der.type).toBe('application/pkix-crl');
    expect(openssl(['crl', '-inform', 'DER', '-noout', '-text'], der.body).out).toContain(
      'X509v3 CRL Number',
    );
    expect((await fetchList('pem')).body.toString()).toMatch(/^-----BEGIN X509 CRL-----\n/);
  });

  it('lets OpenSSL refuse a revoked laptop and a lost one, and accept the others', async () => {
    const [good, held, revoked, lost] = [
      await lab.enroll(),
      await lab.enroll(),
      await lab.enroll(),
      await lab.enroll(),
    ];
    await change(held.device, 'quarantined');
    await change(revoked.device, 'revoked');
    await change(lost.device, 'lost');
    const { serials, text } = await listed();
    expect(serials.sort()).toEqual([...serialsOf(revoked.device), ...serialsOf(lost.device)].sort());
    expect(text.match(/Key Compromise/g)).toHaveLength(1);
    expect(text).not.toContain('Hold');
    for (const [name, { chainPem }] of Object.entries({ good, held, revoked, lost }))
      writeFileSync(at(name), chainPem);
    expect(verify('good')).toMatchObject({ code: 0 });
    // It may be released the next minute, and whoever reads a list keeps it for a day.
    expect(verify('held')).toMatchObject({ code: 0 });
    for (const name of ['revoked', 'lost']) {
      expect(verify(name).code).not.toBe(0);
      expect(verify(name).err).toContain('certificate revoked');
    }
  });

  it('names each certificate in force of a revoked laptop, and none that was only superseded', async () => {
    const laptop = await lab.enroll();
    const { csrPem } = await createKeyAndRequest();
    await lab.ask('POST', '/v1/device/renew', { key: null, client: laptop, body: { csr: csrPem } });
    const [before, after] = serialsOf(laptop.device);
    expect((await listed()).serials).not.toContain(before);
    await change(laptop.device, 'revoked');
    expect((await listed()).serials).toEqual(expect.arrayContaining([before, after]));
  });

  it('is the same until something is revoked or it is half a day old, and its number only grows', async () => {
    const first = (await fetchList('crl')).body;
    const laptop = await lab.enroll();
    expect((await fetchList('crl')).body.equals(first)).toBe(true);
    const numbers = [(await listed()).number];
    await change(laptop.device, 'revoked');
    numbers.push((await listed()).number);
    lab.pass(11 * 3_600_000);
    const second = (await fetchList('crl')).body;
    lab.pass(2 * 3_600_000);
    expect((await fetchList('crl')).body.equals(second)).toBe(false);
    numbers.push((await listed()).number);
    const [a = 0n, b = 0n, c = 0n] = numbers;
    expect(a < b && b < c).toBe(true);
    expect(a).toBeGreaterThan(0n);
  });
});
