import { X509Certificate } from 'node:crypto';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import type { AuthorityCertificate } from '../../certs/signer.ts';
import { createMemoryFleeting } from '../../src/control/fleeting/memory-fleeting.ts';
import type { FleetingStore } from '../../src/control/fleeting/fleeting-store.ts';
import { DataDirectoryError } from '../../src/control/store/open-data-directory.ts';
import { openRegistrationAuthorities } from '../../src/control/devices/registration-authorities.ts';
import type { RegistrationAuthorities } from '../../src/control/devices/registration-authorities.ts';
import { backUp, keyPair, silent } from '../backup/backup-lab.ts';
import { restoreBackup } from '../../src/backup/restore-backup.ts';
import { certificatesCheck } from '../../src/doctor/checks/certificates.ts';
import { find, inShort, set } from '../doctor/doctor-lab.ts';
import { makeManagedAuthority } from '../lab/managed.ts';
import { hasOpenssl, opensslHint } from '../lab/openssl.ts';
import { createScepClient } from '../lab/scep-client.ts';
import type { ScepClient } from '../lab/scep-client.ts';
import { startControlLab } from './control-lab.ts';
import { makeInstallation } from './installation.ts';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });
const day = 86_400;
const now = Math.floor(Date.now() / 1000);
let managed: AuthorityCertificate;
beforeAll(async () => {
  managed = await makeManagedAuthority('example.org', new Date((now - 2 * 365 * day) * 1000));
});
const made: string[] = [];
const newDirectory = (): string => {
  const directory = mkdtempSync(join(tmpdir(), 'postern-scep-'));
  made.push(directory);
  return directory;
};
afterEach(() => {
  for (const directory of made.splice(0)) rmSync(directory, { recursive: true });
});

interface Opening {
  readonly at?: number;
  readonly shared?: FleetingStore;
  readonly passphrase?: string;
  readonly authority?: AuthorityCertificate;
}
const remember = (): FleetingStore => createMemoryFleeting(() => now * 1000, { maxEntries: 10 });
const open = (
  directory: string,
  { at = now, shared = remember(), passphrase, authority = managed }: Opening = {},
): Promise<RegistrationAuthorities> =>
  openRegistrationAuthorities({
    ...{ directory, passphrase, authority, shared, now: at },
    domain: 'example.org',
    logger: pino({ level: 'silent' }),
  });
const serialOf = (of: { certificate: X509Certificate }): string => of.certificate.serialNumber;
const accepted = (of: RegistrationAuthorities, at: number): string[] => of.accepted(at).map(serialOf);
const files = (directory: string): number[] =>
  ['certs/scep', 'keys/scep'].map((folder) => readdirSync(join(directory, folder)).length);

describe('the certificate of SCEP', () => {
  it('lasts a year, has a successor at two thirds of it, and is taken until its end', async () => {
    const directory = newDirectory();
    const scep = await open(directory);
    const first = serialOf(scep.current());
    expect(Date.parse(scep.current().certificate.validTo) / 1000).toBe(now + 365 * day);
    await scep.renewIfDue(now + 243 * day);
    expect(serialOf(scep.current())).toBe(first);
    await scep.renewIfDue(now + 244 * day);
    const second = serialOf(scep.current());
    expect(second).not.toBe(first);
    expect(accepted(scep, now + 365 * day)).toEqual([second, first]);
    expect(accepted(scep, now + 365 * day + 1)).toEqual([second]);
    expect(files(directory)).toEqual([2, 2]);
    await scep.renewIfDue(now + 366 * day);
    expect(files(directory)).toEqual([1, 1]);
  });

  it('is the same after a restart, also under a passphrase, with the one before it', async () => {
    const directory = newDirectory();
    const passphrase = 'correct horse';
    const scep = await open(directory, { passphrase });
    await scep.renewIfDue(now + 300 * day);
    const again = await open(directory, { passphrase, at: now + 301 * day });
    expect(serialOf(again.current())).toBe(serialOf(scep.current()));
    expect(accepted(again, now + 301 * day)).toEqual(accepted(scep, now + 301 * day));
    expect(accepted(again, now)).toHaveLength(2);
    await expect(open(directory, { passphrase: 'wrong' })).rejects.toThrow(/wrong passphrase/);
  });

  it('is made when the server was off for more than a year', async () => {
    const directory = newDirectory();
    const first = serialOf((await open(directory)).current());
    const again = await open(directory, { at: now + 400 * day });
    expect(serialOf(again.current())).not.toBe(first);
    expect(files(directory)).toEqual([1, 1]);
  });

  it('is not made over and over at the end of its authority', async () => {
    const directory = newDirectory();
    const end = Math.floor(Date.parse(new X509Certificate(managed.certificatePem).validTo) / 1000);
    const scep = await open(directory, { at: end - 100 * day });
    const first = serialOf(scep.current());
    for (const left of [20, 2, 1]) await scep.renewIfDue(end - left * day);
    expect(serialOf(scep.current())).toBe(first);
  });

  it('forgets a key whose making was broken off, and refuses one of another authority', async () => {
    const directory = newDirectory();
    const first = serialOf((await open(directory)).current());
    writeFileSync(join(directory, 'keys/scep/0A.key'), 'half a key', { mode: 0o600 });
    expect(serialOf((await open(directory)).current())).toBe(first);
    expect(files(directory)).toEqual([1, 1]);
    await expect(open(directory, { authority: await makeManagedAuthority() })).rejects.toThrow(
      DataDirectoryError,
    );
  });

  it('comes to be the same on all servers of one Redis, also when each made its own', async () => {
    const shared = remember();
    const one = await open(newDirectory(), { shared });
    const two = await open(newDirectory(), { shared });
    expect(serialOf(two.current())).toBe(serialOf(one.current()));
    // While Redis was away.
    const three = await open(newDirectory(), { at: now + 1 });
    const directory = newDirectory();
    await open(directory, { at: now + 2 });
    const four = await open(directory, { shared });
    expect(serialOf(three.current())).not.toBe(serialOf(one.current()));
    for (const server of [one, two, four]) await server.renewIfDue(now + 3);
    for (const server of [one, two]) {
      expect(serialOf(server.current())).toBe(serialOf(four.current()));
      expect(accepted(server, now)).toEqual(accepted(four, now));
    }
    expect(await shared.get('newest')).not.toContain('PRIVATE KEY');
  });

  it('is not taken over from a server of another authority', async () => {
    const shared = remember();
    const other = await open(newDirectory(), { shared, authority: await makeManagedAuthority() });
    const own = await open(newDirectory(), { shared });
    expect(accepted(own, now)).toHaveLength(1);
    expect(serialOf(own.current())).not.toBe(serialOf(other.current()));
  });

  it('is in a backup, and a restore brings it back with the one before it', async () => {
    const installation = await makeInstallation();
    try {
      const before = await open(installation.data);
      await before.renewIfDue(now + 300 * day);
      const key = await keyPair();
      const file = join(installation.directory, 'backup.age');
      await backUp(installation, file, key.lock);
      const directory = join(installation.directory, 'restored');
      await restoreBackup({
        ...{ file, unlock: key.unlock, directory, survivors: [], now: Date.now(), progress: silent },
      });
      const after = await open(directory, { at: now + 301 * day });
      expect(accepted(after, now)).toEqual(accepted(before, now));
    } finally {
      await installation.remove();
    }
  });

  it('is seen by the doctor when it was not renewed, and not when it was', async () => {
    const installation = await makeInstallation();
    try {
      await open(installation.data, { at: now - 300 * day });
      expect(inShort(await find(certificatesCheck, installation))).toEqual(['ok: none expires soon']);
      await set(installation, ['managedDevices'], true);
      await set(installation, ['scep'], true);
      expect(inShort(await find(certificatesCheck, installation))).toEqual([
        expect.stringMatching(/^warning: the certificate of SCEP expires in 6[45] days/),
      ]);
      await open(installation.data);
      expect(inShort(await find(certificatesCheck, installation))).toEqual(['ok: none expires soon']);
    } finally {
      await installation.remove();
    }
  });
});

describe.skipIf(!hasOpenssl)(`a device that SCEP gave an earlier certificate${opensslHint}`, () => {
  const clients: ScepClient[] = [];
  afterAll(() => {
    for (const client of clients) client.remove();
  });

  it('is certified with it until its end and answered by it, beside one that has the new', async () => {
    const scep = { madeAt: now - 250 * day };
    const lab = await startControlLab({ managed, scep });
    try {
      const registrations = lab.parts.managed?.scep?.registrations;
      if (registrations === undefined) throw new TypeError('no SCEP');
      const newClient = (): ScepClient => {
        const client = createScepClient({ port: lab.port, rootPem: lab.organization.rootPem });
        clients.push(client);
        return client;
      };
      const challenge = async (): Promise<string> => {
        const body = { user: 'alice@example.org', protocol: 'scep' };
        return String((await lab.ask('POST', '/v1/enrollment-tokens', { body })).body.token);
      };
      const [old, fresh] = [newClient(), newClient()];
      const first = registrations.current();
      // It fetches the certificates once.
      const early = await old.message({ challenge: await challenge() });
      const late = await old.message({ challenge: await challenge() });
      await registrations.renewIfDue(now);
      const second = registrations.current();
      const [given] =
        (await fresh.fetchCertificates()).match(/-----BEGIN[^-]+-----[^-]+-----END[^-]+-----/g) ?? [];
      expect(new X509Certificate(given ?? '').serialNumber).toBe(serialOf(second));

      const answer = await old.post(early);
      expect(old.open(answer.bytes, managed.certificatePem).attributes.pkiStatus).toBe('0');
      expect(answer.bytes.includes(first.certificate.raw)).toBe(true);
      const other = await fresh.post(await fresh.message({ challenge: await challenge() }));
      expect(fresh.open(other.bytes, managed.certificatePem).attributes.pkiStatus).toBe('0');
      expect(other.bytes.includes(second.certificate.raw)).toBe(true);

      lab.pass(116 * day * 1000);
      const refused = await old.post(late);
      expect(old.open(refused.bytes, managed.certificatePem)).toMatchObject({
        attributes: { pkiStatus: '2', failInfo: '2' },
      });
      expect(lab.logged()).toContain('the envelope is not for us');
    } finally {
      await lab.close();
    }
  });
});
