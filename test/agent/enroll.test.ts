import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { AgentError } from '../../agent/agent-error.ts';
import { systemClock } from '../../agent/clock.ts';
import { enrollDevice } from '../../agent/enrollment/enroll.ts';
import { loadCredentials } from '../../agent/state/credentials.ts';
import { loadSettings } from '../../agent/state/settings-file.ts';
import { statePaths } from '../../agent/state/state-directory.ts';
import { formatEnrollmentToken } from '../../src/contract/enrollment-token.ts';
import { makeOrganization } from '../lab/pki.ts';
import type { Organization } from '../lab/pki.ts';
import { issueTo, startControlServer } from './lab/control-server.ts';
import type { ControlServer } from './lab/control-server.ts';

let organization: Organization;
let other: Organization;
let directory: string;
let control: ControlServer | undefined;

beforeAll(async () => {
  [organization, other] = await Promise.all([makeOrganization(), makeOrganization()]);
});
beforeEach(async () => {
  directory = join(await mkdtemp(join(tmpdir(), 'postern-enroll-')), 'state');
});
afterEach(async () => {
  await control?.close();
  control = undefined;
  await rm(join(directory, '..'), { recursive: true, force: true });
});

const tokenFor = (authority: Organization): string =>
  formatEnrollmentToken({
    rootFingerprint: authority.rootFingerprint,
    id: randomBytes(12).toString('base64url'),
    secret: randomBytes(32).toString('base64url'),
  });

const enroll = (url: string, token: string, force = false) =>
  enrollDevice({ url, token, directory, force, clock: systemClock, timeoutMs: 5000 });

/** The error of a refused enrollment, and what it left behind. */
async function failure(
  attempt: Promise<unknown>,
): Promise<{ key: string; exitCode: number; left: string[] }> {
  const error: unknown = await attempt.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof AgentError)) throw new Error(`expected a refusal, got ${String(error)}`);
  const left = await readdir(directory).catch(() => []);
  return { key: error.key, exitCode: error.exitCode, left };
}

it('keeps a key of its own, the certificate for it and the pinned authority', async () => {
  control = await startControlServer({ organization });
  const token = tokenFor(organization);
  await enroll(control.url, token);
  const paths = statePaths(directory);
  const credentials = loadCredentials(paths);
  expect(credentials.authorityPem).toBe(organization.rootPem);
  expect(loadSettings(paths.settings)).toEqual({
    version: 1,
    control: control.url,
    device: 'd-laptop',
    user: 'alice@example.org',
    domain: 'example.org',
    proxyPort: 8118,
  });
  expect((await stat(paths.key)).mode & 0o777).toBe(0o600);
  expect((await stat(directory)).mode & 0o777).toBe(0o700);
  expect((await readdir(directory)).sort()).toEqual(['agent.yaml', 'ca.crt', 'device.crt', 'device.key']);
  expect(control.requests.map(({ path, body }) => [path, (body as { token: string }).token])).toEqual([
    ['/v1/enroll', token],
  ]);
});

it('never sends the token to a control plane of another authority', async () => {
  control = await startControlServer({ organization: other });
  const refused = await failure(enroll(control.url, tokenFor(organization)));
  expect(refused).toEqual({ key: 'authority-differs', exitCode: 1, left: [] });
  expect(control.requests).toEqual([]);
});

it('never sends the token to a server that shows our root behind a certificate of another authority', async () => {
  const theirs = await other.issueControl();
  control = await startControlServer({
    organization: other,
    certificate: theirs,
    presentPem:
      theirs.certificatePem + organization.authorities.service.certificatePem + organization.rootPem,
  });
  const refused = await failure(enroll(control.url, tokenFor(organization)));
  expect(refused).toMatchObject({ exitCode: 1, left: [] });
  expect(['authority-differs', 'control-untrusted']).toContain(refused.key);
  expect(control.requests).toEqual([]);
});

it('never sends the token to another name of the same authority', async () => {
  const certificate = await organization.issueControl({ dnsNames: ['elsewhere.example.org'], addresses: [] });
  control = await startControlServer({ organization, certificate });
  const refused = await failure(enroll(control.url, tokenFor(organization)));
  expect(refused).toEqual({ key: 'control-untrusted', exitCode: 1, left: [] });
  expect(control.requests).toEqual([]);
});

it('never sends the token to a device that answers with its client certificate', async () => {
  control = await startControlServer({ organization, certificate: await organization.issueDevice() });
  const refused = await failure(enroll(control.url, tokenFor(organization)));
  expect(refused).toEqual({ key: 'control-untrusted', exitCode: 1, left: [] });
  expect(control.requests).toEqual([]);
});

const foreignKey = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({
  format: 'pem',
  type: 'spki',
});

it.each([
  [
    'a certificate for another key',
    (body: unknown) => issueTo(organization, body, 'd-laptop', { publicKeyPem: foreignKey }),
  ],
  [
    'a certificate of another device',
    async (body: unknown) => ({ ...(await issueTo(organization, body, 'd-laptop')), device: 'd-other' }),
  ],
  [
    'a certificate of another organization below the right root',
    async (body: unknown) => {
      const issued = await issueTo(other, body, 'd-laptop');
      return { ...issued, authority: organization.rootPem };
    },
  ],
  ['another root than the pinned one', async (body: unknown) => issueTo(other, body, 'd-laptop')],
  [
    'a leaf without its authority',
    async (body: unknown) => {
      const issued = await issueTo(organization, body, 'd-laptop');
      return { ...issued, certificate: issued.certificate.split(/(?<=END CERTIFICATE-----\n)/)[0] };
    },
  ],
  [
    'a certificate that has expired',
    (body: unknown) =>
      issueTo(organization, body, 'd-laptop', { now: new Date(Date.now() - 30 * 86_400_000) }),
  ],
  [
    'a text that is no certificate',
    async (body: unknown) => ({ ...(await issueTo(organization, body, 'd-laptop')), certificate: 'x' }),
  ],
])('keeps nothing when it is given %s', async (_, answer) => {
  control = await startControlServer({ organization });
  control.instead.set('/v1/enroll', ({ body }) => answer(body));
  const refused = await failure(enroll(control.url, tokenFor(organization)));
  expect(refused).toEqual({ key: 'certificate-unusable', exitCode: 1, left: [] });
});

it('says that the control plane refused the token, and keeps nothing', async () => {
  control = await startControlServer({ organization });
  control.refuse('/v1/enroll', 'enrollment-token-invalid');
  const refused = await failure(enroll(control.url, tokenFor(organization)));
  expect(refused).toEqual({ key: 'control-refused', exitCode: 1, left: [] });
});

it('says that nothing answers, with exit code 3', async () => {
  const gone = await startControlServer({ organization });
  await gone.close();
  const refused = await failure(enroll(gone.url, tokenFor(organization)));
  expect(refused).toEqual({ key: 'control-unreachable', exitCode: 3, left: [] });
});

it.each(['', 'pet1.abc', 'pet2.x.y.z'])(
  'refuses the malformed token %j before anything else',
  async (token) => {
    const refused = await failure(enroll('https://127.0.0.1:1', token));
    expect(refused).toEqual({ key: 'enrollment-token-malformed', exitCode: 2, left: [] });
  },
);

it.each(['http://127.0.0.1:1', 'https://user@127.0.0.1:1', 'https://127.0.0.1:1/path', 'ftp://x', 'x'])(
  'refuses the address %s',
  async (url) => {
    const refused = await failure(enroll(url, tokenFor(organization)));
    expect(refused).toEqual({ key: 'control-url-invalid', exitCode: 2, left: [] });
  },
);

it('enrolls anew only when told to, and keeps the old key when that fails', async () => {
  control = await startControlServer({ organization });
  await enroll(control.url, tokenFor(organization));
  const { key } = statePaths(directory);
  const first = await readFile(key, 'utf8');
  expect(await failure(enroll(control.url, tokenFor(organization)))).toMatchObject({
    key: 'already-enrolled',
  });

  control.refuse('/v1/enroll', 'enrollment-token-invalid');
  expect(await failure(enroll(control.url, tokenFor(organization), true))).toMatchObject({
    key: 'control-refused',
  });
  expect(await readFile(key, 'utf8')).toBe(first);

  control.instead.clear();
  await enroll(control.url, tokenFor(organization), true);
  expect(await readFile(key, 'utf8')).not.toBe(first);
  expect(loadCredentials(statePaths(directory)).keyPem).not.toBe(first);
});
