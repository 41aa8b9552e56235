import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { createKeyAndRequest } from '../../certs/request.ts';
import { createApiKey } from '../../src/control/api/api-key.ts';
import { createMemoryFleeting } from '../../src/control/fleeting/memory-fleeting.ts';
import { createOperatorServer } from '../../src/control/operator-server.ts';
import { openSignIn } from '../../src/control/sign-in/open-sign-in.ts';
import { roles } from '../../src/domain/administration.ts';
import type { Role } from '../../src/domain/administration.ts';
import type { DeviceRole } from '../../src/domain/device.ts';
import type { DeviceId, UserName } from '../../src/domain/ids.ts';
import { formatSignInId } from '../../src/domain/sign-in.ts';
import { signSessionToken } from '../../src/identity/session-token.ts';
import { createSealer } from '../../src/identity/sealer.ts';
import { makeManagedAuthority } from '../lab/managed.ts';
import { makeOrganization } from '../lab/pki.ts';
import { startControlLab } from './control-lab.ts';
import type { Answer, ControlLab, Identity } from './control-lab.ts';
import { examples } from './openapi-examples.ts';
import type { Example } from './openapi-examples.ts';

vi.setConfig({ testTimeout: 90_000, hookTimeout: 60_000 });

/**
 * Who may use which route, written down a second time: a route whose declaration is loosened by mistake, or one that is
 * new, is found here and not in production. One letter a role: owner, security, helpdesk, C for soc, auditor.
 */
const admitted: Readonly<Record<string, string>> = {
  'GET /v1/access-log': 'O...A',
  'GET /v1/api-keys': 'O...A',
  'POST /v1/api-keys': 'O....',
  'POST /v1/api-keys/revoke': 'O....',
  'DELETE /v1/api-keys/{id}': 'O....',
  'POST /v1/apply': 'OS...',
  'GET /v1/changes': 'OS.CA',
  'GET /v1/changes/{id}': 'OS.CA',
  'POST /v1/changes/{id}/approve': 'OS...',
  'POST /v1/changes/{id}/reject': 'OS...',
  'POST /v1/device-bundles': 'OS...',
  'GET /v1/devices': 'OSHCA',
  'GET /v1/devices/{id}': 'OSHCA',
  'GET /v1/devices/{id}/history': 'OSHCA',
  'GET /v1/devices/{id}/posture': 'OSHCA',
  'POST /v1/devices/{id}/posture': 'OSHC.',
  'POST /v1/devices/{id}/state': 'OSH..',
  'POST /v1/enrollment-tokens': 'OS...',
  'GET /v1/flows': 'OS.CA',
  'GET /v1/flows/summary': 'OS.CA',
  'GET /v1/flows/blast-radius/{device}': 'OS.CA',
  'GET /v1/flows/tail': 'OS.CA',
  'GET /v1/gateways': 'OS.CA',
  'GET /v1/gateways/{id}/healthz': 'OS.CA',
  'GET /v1/gateways/{id}/metrics': 'OS.CA',
  'GET /v1/gateways/{id}/readyz': 'OS.CA',
  'GET /v1/resources/{kind}': 'OS.CA',
  'GET /v1/resources/{kind}/{name}': 'OS.CA',
  'DELETE /v1/resources/{kind}/{name}': 'OS...',
  'POST /v1/people/reidentify': 'OS...',
  'POST /v1/people/pseudonyms': 'OS...',
  'POST /v1/people/erase': 'O....',
  'POST /v1/sign-out': 'OSHCA',
  'GET /v1/versions': 'OS.CA',
  'GET /v1/versions/{version}': 'OS.CA',
  'POST /v1/versions/{version}/rollback': 'OS...',
  'POST /v1/why': 'OSHCA',
};
const letters: Readonly<Record<Role, string>> = {
  owner: 'O',
  security: 'S',
  helpdesk: 'H',
  soc: 'C',
  auditor: 'A',
};
/** Which devices get past the door: laptops, machines, connectors. */
const ofDevices: Readonly<Record<string, string>> = {
  'GET /v1/device/config': 'LM.',
  'POST /v1/device/leave': 'LM.',
  'POST /v1/device/renew': 'LMC',
  'POST /v1/device/sign-in': 'L..',
  'POST /v1/device/sign-in/complete': 'L..',
  'POST /v1/device/sign-out': 'L..',
  'POST /v1/device/token': 'LM.',
};

let operator: Server;
let lab: ControlLab;
let directory: string;
let laptop: Identity & { readonly device: string };
const keys = new Map<Role, string>();

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'postern-matrix-'));
  operator = createOperatorServer({
    notReady: () => [],
    troubles: () => [],
    sinks: () => [],
    metrics: () => 'up 1\n',
  });
  operator.listen(0, '127.0.0.1');
  await once(operator, 'listening');
  lab = await startControlLab({
    managed: await makeManagedAuthority(),
    scep: true,
    pseudonyms: true,
    gateways: [{ id: 'one', operator: `http://127.0.0.1:${(operator.address() as AddressInfo).port}` }],
    async signIn({ organization, store, clock }) {
      const secret = join(directory, 'client.secret');
      await writeFile(secret, 'of nobody', { mode: 0o600 });
      return openSignIn({
        settings: {
          issuer: 'https://127.0.0.1:1',
          clientId: 'postern',
          clientSecretFile: secret,
          idTokenAlgorithm: 'RS256',
          scopes: ['openid'],
          user: { claim: 'email', letters: 'lower-case' },
          users: 'enrolled',
          groupClaims: [],
          mfa: { acr: [], amr: ['mfa'] },
          lifetimeSeconds: 3600,
          timeoutMs: 1000,
        },
        data: directory,
        deviceAuthorityKeyPem: organization.authorities.device.privateKeyPem,
        state: () => store.state,
        fleeting: { of: (_kind, bounds) => createMemoryFleeting(clock, bounds) },
        gatewayPorts: () => new Set(),
        sessionKey: () => lab.parts.sessionKey(),
        isLedgerAway: () => false,
        clock,
        onClose: () => undefined,
      });
    },
  });
  for (const role of roles) {
    const { key, event } = createApiKey({ name: `of-${role}`, role });
    // As if someone had made it who was signed in: keys approve changes in that person's name.
    await lab.store.commit('user:carol@example.org', () => ({ events: [event], value: key }));
    keys.set(role, key);
  }
  laptop = await lab.enroll();
});
afterAll(async () => {
  await lab.close();
  await rm(directory, { recursive: true });
  operator.close();
  operator.closeAllConnections();
});

const now = (): number => Math.floor(lab.parts.clock() / 1000);
const head = (): number => lab.store.state.head.sequence;
const exampleOf = (name: string): Promise<Example> => {
  const example = examples[name];
  if (example === undefined) throw new TypeError(`${name} has no example`);
  return example.good(lab);
};
const send = (name: string, { path, body }: Example, as: { key: string | null; client?: Identity }) =>
  lab.ask(name.split(' ')[0] ?? '', path, { ...(body === undefined ? {} : { body }), ...as });
const operations = async (scheme: string): Promise<string[]> => {
  const { body } = await lab.ask('GET', '/v1/openapi.json', { key: null });
  const paths = body.paths as Record<string, Record<string, { security?: object[] }>>;
  return Object.entries(paths)
    .flatMap(([path, methods]) =>
      Object.entries(methods)
        .filter(([, { security = [{ apiKey: [] }] }]) => security.some((proof) => scheme in proof))
        .map(([method]) => `${method.toUpperCase()} ${path}`),
    )
    .sort();
};

describe('the routes of administrators', () => {
  it('are those of the table, and no others', async () => {
    expect(await operations('apiKey')).toEqual(Object.keys(admitted).sort());
  });

  it.each(Object.entries(admitted))(
    '%s answers %s, and changes nothing for the others',
    async (name, whom) => {
      for (const role of roles) {
        const example = await exampleOf(name);
        const before = head();
        const answer = await send(name, example, { key: keys.get(role) ?? null });
        if (whom.includes(letters[role])) {
          expect(answer.status, `${role}: ${answer.text}`).toBe(200);
          continue;
        }
        expect(answer, role).toMatchObject({ status: 403, body: { code: 'role-missing' } });
        expect(head(), role).toBe(before);
      }
    },
  );

  it.each(Object.keys(admitted))('%s takes no credential that is for something else', async (name) => {
    const example = await exampleOf(name);
    const attempts = await strangers();
    const before = head();
    for (const [what, as, code] of attempts) {
      const answer = await send(name, example, as);
      expect([what, answer.status, answer.body?.code]).toEqual([what, 401, code]);
    }
    const nobody = await send(name, example, { key: administratorToken({ user: 'mallory@example.org' }) });
    if (name === 'POST /v1/sign-out') return expect(nobody.body).toEqual({ ended: true });
    expect(nobody).toMatchObject({ status: 403, body: { code: 'role-missing' } });
    expect(head()).toBe(before);
  });
});

describe('the routes of devices', () => {
  it('are those of the table, and no others', async () => {
    expect(await operations('deviceCertificate')).toEqual(Object.keys(ofDevices).sort());
  });

  it.each(Object.entries(ofDevices))('%s lets in %s alone, and no administrator', async (name, whom) => {
    for (const role of ['laptop', 'machine', 'connector'] as const) {
      const example = await exampleOf(name);
      const client = await enroll(role);
      const { body } = await send(name, example, { key: null, client });
      const isRefused = body?.code === 'certificate-profile' || body?.code === 'device-role';
      expect([role, isRefused, body?.code]).toEqual([
        role,
        !whom.includes(role.slice(0, 1).toUpperCase()),
        body?.code,
      ]);
    }
    const byKey: Answer = await send(name, await exampleOf(name), { key: lab.apiKey });
    expect(byKey).toMatchObject({ status: 401, body: { code: 'certificate-missing' } });
  });
});

async function enroll(role: DeviceRole): Promise<Identity> {
  if (role !== 'connector') return lab.enroll('alice@example.org', role);
  const network = { kind: 'Network', name: 'served', attach: { connector: 'remote' } };
  await lab.ask('POST', '/v1/apply', { body: { resources: [network] } });
  const wanted = { user: 'ops@example.org', role, network: 'served' };
  const made = await lab.ask('POST', '/v1/enrollment-tokens', { body: wanted });
  const { privateKeyPem, csrPem } = await createKeyAndRequest();
  const body = { token: made.body.token, csr: csrPem };
  const answer = await lab.ask('POST', '/v1/enroll', { key: null, body });
  if (answer.status !== 200) throw new Error(`${made.text} ${answer.text}`);
  return { chainPem: answer.body.certificate, keyPem: privateKeyPem };
}
let signIns = 0;
const signInId = (): string => {
  const random = `r${(signIns += 1)}`;
  return formatSignInId({ session: 's', subject: 'u', startedAt: now(), random });
};
function administratorToken(changes: object = {}, purpose = 'administrator token', pem?: string): string {
  const sealer = createSealer(pem ?? lab.organization.authorities.device.privateKeyPem);
  const content = { user: 'alice@example.org', claims: {}, signInId: signInId(), expiresAt: now() + 600 };
  return sealer.seal(purpose, { ...content, ...changes });
}

/** What is good elsewhere, or was good once. */
async function strangers(): Promise<[what: string, as: Parameters<typeof send>[2], code: string][]> {
  const { thumbprint } = lab.store.state.devices.get(laptop.device as DeviceId)?.certificates[0] ?? {};
  const session = await signSessionToken(lab.parts.sessionKey(), {
    domain: lab.organization.domain,
    device: laptop.device as DeviceId,
    thumbprint: thumbprint ?? '',
    posture: undefined,
    user: 'alice@example.org' as UserName,
    claims: {},
    now: now(),
  });
  const other = (await makeOrganization()).authorities.device.privateKeyPem;
  const [key, token] = ['api-key-invalid', 'administrator-token-invalid'];
  return [
    ['nothing', { key: null }, key],
    ['the certificate of a device', { key: null, client: laptop }, key],
    ['a session token', { key: session.token, client: laptop }, key],
    ['an enrollment token', { key: await lab.token() }, key],
    ...[
      'sign-in session',
      'sign-in transaction',
      'browser cookie',
      'browser code',
      'browser transaction',
    ].map((purpose): [string, Parameters<typeof send>[2], string] => [
      `what is sealed as ${purpose}`,
      { key: administratorToken({}, purpose) },
      token,
    ]),
    ['a token of another organization', { key: administratorToken({}, 'administrator token', other) }, token],
    ['a token that is over', { key: administratorToken({ expiresAt: now() }) }, token],
    ['a token with a role written into it', { key: administratorToken({ roles: ['owner'] }) }, token],
  ];
}
