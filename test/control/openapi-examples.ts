import { vi } from 'vitest';
import { derTag, encodeDer } from '../../certs/der.ts';
import { createKeyAndRequest } from '../../certs/request.ts';
import { createRsaKeyAndRequest } from '../../certs/rsa-request.ts';
import { oid } from '../../certs/scep/object-identifiers.ts';
import { buildSignedData } from '../../certs/scep/signed-data.ts';
import type { RefusalCode } from '../../src/contract/refusals.ts';
import { createApiKey, isLastingOwner } from '../../src/control/api/api-key.ts';
import type { DeviceId } from '../../src/domain/ids.ts';
import { readChecks } from '../../src/domain/posture.ts';
import { SearchOverrun, TooManyFollowers } from '../../src/flow/search/searcher.ts';
import type { ControlLab, Identity } from './control-lab.ts';

/** A request of one operation. Parameters of the path are written out. */
export interface Example {
  readonly path: string;
  readonly body?: unknown;
  /** A body that is a form, for the routes whose form some standard prescribes. */
  readonly form?: string;
  /** A body that is neither JSON nor a form. */
  readonly message?: Buffer;
  readonly key?: string | null;
  readonly client?: Identity;
}

/** How an operation is asked for what it gives, and for each refusal that it alone has. */
export interface OperationExamples {
  readonly good: (lab: ControlLab) => Promise<Example>;
  /** Its good answer takes an identity provider: the suites that have one try it. */
  readonly needsSetup?: true;
  readonly refused?: Readonly<Partial<Record<RefusalCode, (lab: ControlLab) => Promise<Example>>>>;
}

const at = (path: string, body?: unknown) => async (): Promise<Example> => ({
  path,
  ...(body === undefined ? {} : { body }),
});
const ofNone = (path: string, body?: unknown) => ({ 'not-found': at(path, body) });
/** By a search process that does not come back, or with what it failed on. */
const searchFails = (path: string) => ({
  'search-overrun': async ({ parts }: ControlLab): Promise<Example> => {
    vi.spyOn(parts.flows, 'ask').mockRejectedValueOnce(new SearchOverrun('it takes too long'));
    return { path };
  },
  'search-unavailable': async ({ parts }: ControlLab): Promise<Example> => {
    vi.spyOn(parts.flows, 'ask').mockRejectedValueOnce(new Error('no such file'));
    return { path };
  },
});
const blastFails =
  (error: Error) =>
  async (lab: ControlLab): Promise<Example> => {
    const { device } = await lab.enroll();
    vi.spyOn(lab.parts.flows, 'ask').mockRejectedValueOnce(error);
    return { path: `/v1/flows/blast-radius/${device}` };
  };
const tailFull = async ({ parts }: ControlLab): Promise<Example> => {
  vi.spyOn(parts.flows, 'follow').mockImplementationOnce(() => {
    throw new TooManyFollowers('8 follow already');
  });
  return { path: '/v1/flows/tail?seconds=1' };
};
const state = (next: string) => ({ state: next, reason: 'test' });
const group = { kind: 'Group', name: 'staff', members: ['alice@example.org'] };
const inUse = [
  { kind: 'Network', name: 'used', attach: { direct: true } },
  {
    kind: 'App',
    name: 'grants',
    network: 'used',
    host: 'grants.example.org',
    protocol: 'http',
    upstreams: ['http://127.0.0.1:1'],
  },
];

async function applied(lab: ControlLab, resources: readonly object[], path: string): Promise<Example> {
  await lab.ask('POST', '/v1/apply', { body: { resources } });
  return { path };
}
/** What records call Alice now. */
const pseudonym = async (lab: ControlLab): Promise<string> =>
  (await lab.parts.people?.pseudonym('alice@example.org', lab.parts.clock())) ?? '';
let made = 0;
/** A change that waits for a second administrator. */
async function proposed(lab: ControlLab, { by = 'user:bob@example.org', was = '' } = {}): Promise<string> {
  const id = `c-${(made += 1)}`;
  const resource = { kind: 'Group' as const, name: id, members: ['alice@example.org'] };
  const changes = [{ resource, ...(was === '' ? {} : { was }) }];
  const expiresAt = Math.floor(lab.parts.clock() / 1000) + 600;
  await lab.store.commit(by, () => ({
    events: [{ type: 'change-proposed', id, expiresAt, changes }],
    value: id,
  }));
  return id;
}
/** A key that somebody made who had signed in. */
async function keyOf(lab: ControlLab, person: string): Promise<string> {
  const { key, event } = createApiKey({ name: `ex-${(made += 1)}`, role: 'owner' });
  await lab.store.commit(`user:${person}`, () => ({ events: [event], value: key }));
  return key;
}
const approve = async (
  lab: ControlLab,
  of: Parameters<typeof proposed>[1],
  by: string,
): Promise<Example> => ({
  path: `/v1/changes/${await proposed(lab, of)}/approve`,
  key: await keyOf(lab, by),
});
const makeKey = async (lab: ControlLab): Promise<{ id: string; name: string }> => {
  const { body } = await lab.ask('POST', '/v1/api-keys', {
    body: { name: `ex-${(made += 1)}`, role: 'soc' },
  });
  return body.apiKey as { id: string; name: string };
};
const ofDevice = (path: string, body?: unknown) => async (lab: ControlLab) => ({
  path,
  key: null,
  client: await lab.enroll(),
  ...(body === undefined ? {} : { body }),
});

/** A pkiMessage that is signed as it should be, and answered with a failure: nothing is in it. */
function scepMessage({ parts }: ControlLab): Buffer {
  const signer = parts.managed?.scep?.registrations.current();
  if (signer === undefined) throw new TypeError('a lab without SCEP');
  const printable = (text: string): Buffer => encodeDer(0x13, Buffer.from(text));
  return buildSignedData({
    ...signer,
    hash: 'sha256',
    content: Buffer.from('0500', 'hex'),
    attributes: [
      [oid.transactionId, printable('walk')],
      [oid.messageType, printable('19')],
      [oid.senderNonce, encodeDer(derTag.octetString, Buffer.alloc(16))],
    ],
  });
}
const scepGarbage: Example = { path: '/v1/scep?operation=PKIOperation&message=MAA%3D', key: null };
const scepGarbagePosted: Example = {
  path: '/v1/scep?operation=PKIOperation',
  message: Buffer.from('3000', 'hex'),
};
const afterScepFailures = (example: Example) => async (lab: ControlLab) => {
  for (let i = 0; i < 25; i++) await lab.ask('GET', scepGarbage.path, { key: null });
  return example;
};

/**
 * One entry for each operation that the document has: a new route needs one, so that what its description promises is
 * tried.
 */
export const examples: Readonly<Record<string, OperationExamples>> = {
  'GET /.well-known/postern/jwks.json': { good: at('/.well-known/postern/jwks.json') },
  'GET /v1/crl/devices.crl': { good: at('/v1/crl/devices.crl') },
  'GET /v1/crl/devices.pem': { good: at('/v1/crl/devices.pem') },
  'GET /v1/crl/managed-devices.crl': { good: at('/v1/crl/managed-devices.crl') },
  'GET /v1/crl/managed-devices.pem': { good: at('/v1/crl/managed-devices.pem') },
  'GET /v1/scep': {
    good: at('/v1/scep?operation=GetCACaps'),
    refused: {
      'scep-message-invalid': async () => scepGarbage,
      'rate-limited': afterScepFailures(scepGarbage),
    },
  },
  'POST /v1/scep': {
    good: async (lab) => ({
      path: '/v1/scep?operation=PKIOperation',
      key: null,
      message: scepMessage(lab),
    }),
    refused: {
      'invalid-input': at('/v1/scep?operation=none'),
      'content-type-malformed': at('/v1/scep?operation=PKIOperation', {}),
      'scep-message-invalid': async () => scepGarbagePosted,
      'rate-limited': afterScepFailures(scepGarbagePosted),
    },
  },
  'POST /v1/enroll': {
    good: async (lab) => ({
      path: '/v1/enroll',
      key: null,
      body: { token: await lab.token(), csr: (await createKeyAndRequest()).csrPem },
    }),
    refused: {
      'enrollment-token-invalid': async () => ({
        path: '/v1/enroll',
        key: null,
        body: { token: 'none', csr: (await createKeyAndRequest()).csrPem },
      }),
      'rate-limited': async (lab) => {
        const body = { token: 'none', csr: (await createKeyAndRequest()).csrPem };
        for (let i = 0; i < 25; i++) await lab.ask('POST', '/v1/enroll', { key: null, body });
        return { path: '/v1/enroll', key: null, body };
      },
    },
  },
  'POST /v1/sign-in/backchannel-logout': {
    good: async () => ({ path: '/v1/sign-in/backchannel-logout', key: null, form: 'logout_token=x' }),
    needsSetup: true,
  },
  'POST /v1/device/renew': {
    good: async (lab) => ofDevice('/v1/device/renew', { csr: (await createKeyAndRequest()).csrPem })(lab),
    refused: {
      'renewal-elsewhere': async (lab) => {
        const { csrPem, privateKeyPem: keyPem } = await createRsaKeyAndRequest();
        const body = { user: 'alice@example.org', csr: csrPem };
        const { certificate } = (await lab.ask('POST', '/v1/device-bundles', { body })).body;
        return {
          path: '/v1/device/renew',
          key: null,
          client: { chainPem: String(certificate), keyPem },
          body: { csr: (await createKeyAndRequest()).csrPem },
        };
      },
    },
  },
  'POST /v1/device/token': { good: ofDevice('/v1/device/token', {}) },
  'GET /v1/device/config': { good: ofDevice('/v1/device/config') },
  'POST /v1/device/leave': { good: ofDevice('/v1/device/leave', {}) },
  'POST /v1/sign-in/administrator': {
    good: at('/v1/sign-in/administrator', { flow: 'device-code' }),
    needsSetup: true,
  },
  'POST /v1/sign-in/administrator/complete': {
    good: at('/v1/sign-in/administrator/complete', { transaction: 'x' }),
    needsSetup: true,
  },
  'POST /v1/people/reidentify': {
    good: async (lab) => ({
      path: '/v1/people/reidentify',
      body: { pseudonyms: [await pseudonym(lab)], reason: 'test' },
    }),
  },
  'POST /v1/people/pseudonyms': {
    good: async (lab) => {
      await pseudonym(lab);
      return { path: '/v1/people/pseudonyms', body: { user: 'alice@example.org', reason: 'test' } };
    },
  },
  'POST /v1/people/erase': {
    good: async (lab) => {
      await pseudonym(lab);
      return { path: '/v1/people/erase', body: { user: 'alice@example.org', reason: 'test' } };
    },
    refused: ofNone('/v1/people/erase', { user: 'nobody@example.org', reason: 'test' }),
  },
  'POST /v1/sign-out': { good: at('/v1/sign-out'), needsSetup: true },
  'POST /v1/device-bundles': {
    good: async () => ({
      path: '/v1/device-bundles',
      body: { user: 'alice@example.org', csr: (await createRsaKeyAndRequest()).csrPem },
    }),
  },
  'POST /v1/device/sign-in': { good: ofDevice('/v1/device/sign-in', {}), needsSetup: true },
  'POST /v1/device/sign-in/complete': {
    good: ofDevice('/v1/device/sign-in/complete', {}),
    needsSetup: true,
  },
  'POST /v1/device/sign-out': { good: ofDevice('/v1/device/sign-out', {}), needsSetup: true },
  // A group that no other example makes: it is a change wherever it is asked.
  'POST /v1/apply': { good: at('/v1/apply', { resources: [{ ...group, name: 'appliers' }] }) },
  'GET /v1/resources/{kind}': {
    good: (lab) => applied(lab, [group], '/v1/resources/groups'),
    refused: ofNone('/v1/resources/secrets'),
  },
  'GET /v1/resources/{kind}/{name}': {
    good: (lab) => applied(lab, [group], '/v1/resources/group/staff'),
    refused: ofNone('/v1/resources/group/none'),
  },
  'DELETE /v1/resources/{kind}/{name}': {
    good: (lab) => applied(lab, [group], '/v1/resources/group/staff'),
    refused: {
      ...ofNone('/v1/resources/group/none'),
      'in-use': (lab) => applied(lab, inUse, '/v1/resources/network/used'),
    },
  },
  'GET /v1/devices': { good: at('/v1/devices') },
  'GET /v1/devices/{id}': {
    good: async (lab) => ({ path: `/v1/devices/${(await lab.enroll()).device}` }),
    refused: ofNone('/v1/devices/none'),
  },
  'GET /v1/devices/{id}/history': {
    good: async (lab) => ({ path: `/v1/devices/${(await lab.enroll()).device}/history` }),
    refused: ofNone('/v1/devices/none/history'),
  },
  'GET /v1/devices/{id}/posture': {
    good: async (lab) => {
      const { device } = await lab.enroll();
      const [measuredAt, checks] = [
        Math.floor(lab.parts.clock() / 1000),
        readChecks({ diskEncrypted: true }),
      ];
      const posture = { measuredAt, os: 'linux', osVersion: '13', agentVersion: '0.1.0', checks };
      await lab.parts.postures.remember(device as DeviceId, posture);
      return { path: `/v1/devices/${device}/posture` };
    },
    refused: ofNone('/v1/devices/none/posture'),
  },
  'POST /v1/devices/{id}/posture': {
    good: async (lab) => ({
      path: `/v1/devices/${(await lab.enroll()).device}/posture`,
      body: { waitSeconds: 0 },
    }),
    refused: {
      ...ofNone('/v1/devices/none/posture', { waitSeconds: 0 }),
      'state-final': async (lab) => {
        const path = `/v1/devices/${(await lab.enroll()).device}`;
        await lab.ask('POST', `${path}/state`, { body: state('revoked') });
        return { path: `${path}/posture`, body: { waitSeconds: 0 } };
      },
    },
  },
  'POST /v1/devices/{id}/state': {
    good: async (lab) => ({
      path: `/v1/devices/${(await lab.enroll()).device}/state`,
      body: state('quarantined'),
    }),
    refused: {
      ...ofNone('/v1/devices/none/state', state('quarantined')),
      'state-final': async (lab) => {
        const path = `/v1/devices/${(await lab.enroll()).device}/state`;
        await lab.ask('POST', path, { body: state('revoked') });
        return { path, body: state('quarantined') };
      },
    },
  },
  'POST /v1/enrollment-tokens': {
    good: at('/v1/enrollment-tokens', { user: 'alice@example.org', protocol: 'scep' }),
  },
  'GET /v1/changes': { good: at('/v1/changes') },
  'GET /v1/changes/{id}': {
    good: async (lab) => ({ path: `/v1/changes/${await proposed(lab)}` }),
    refused: ofNone('/v1/changes/none'),
  },
  'POST /v1/changes/{id}/approve': {
    good: (lab) => approve(lab, {}, 'carol@example.org'),
    refused: {
      ...ofNone('/v1/changes/none/approve'),
      'own-proposal': (lab) => approve(lab, {}, 'bob@example.org'),
      'person-unknown': (lab) => approve(lab, { by: 'api-key:admin' }, 'carol@example.org'),
      'proposal-stale': (lab) => approve(lab, { was: '"of another"' }, 'carol@example.org'),
    },
  },
  'POST /v1/changes/{id}/reject': {
    good: async (lab) => ({
      path: `/v1/changes/${await proposed(lab)}/reject`,
      body: { reason: 'not now' },
    }),
    refused: ofNone('/v1/changes/none/reject', { reason: 'not now' }),
  },
  'GET /v1/versions': { good: at('/v1/versions') },
  'GET /v1/versions/{version}': {
    good: async (lab) => ({ path: `/v1/versions/${lab.store.state.head.sequence}` }),
    refused: ofNone('/v1/versions/999999'),
  },
  'POST /v1/versions/{version}/rollback': {
    good: async (lab) => {
      const { sequence } = lab.store.state.head;
      const name = `rolled-${sequence}`;
      const cedar = 'forbid (principal, action, resource);';
      await lab.ask('POST', '/v1/apply', { body: { resources: [{ kind: 'Policy', name, cedar }] } });
      return { path: `/v1/versions/${sequence}/rollback`, body: {} };
    },
    refused: ofNone('/v1/versions/999999/rollback', {}),
  },
  'POST /v1/why': {
    good: async (lab) => {
      const { device } = await lab.enroll('alice@example.org');
      await applied(lab, inUse, '');
      return { path: '/v1/why', body: { user: 'alice@example.org', device, app: 'grants' } };
    },
    refused: ofNone('/v1/why', { user: 'alice@example.org', device: 'none', app: 'grants' }),
  },
  'GET /v1/api-keys': { good: at('/v1/api-keys') },
  'POST /v1/api-keys': {
    good: async () => ({ path: '/v1/api-keys', body: { name: `made-${(made += 1)}`, role: 'soc' } }),
    refused: {
      'name-taken': async (lab) => ({
        path: '/v1/api-keys',
        body: { name: (await makeKey(lab)).name, role: 'soc' },
      }),
      'key-outlives-maker': async (lab) => {
        const maker = { name: `brief-${(made += 1)}`, role: 'owner', ttlSeconds: 600 };
        const { body } = await lab.ask('POST', '/v1/api-keys', { body: maker });
        return { path: '/v1/api-keys', key: String(body.key), body: { name: 'lasting', role: 'soc' } };
      },
    },
  },
  'POST /v1/api-keys/revoke': {
    good: async (lab) => {
      await keyOf(lab, 'leaver@example.org');
      return { path: '/v1/api-keys/revoke', body: { person: 'leaver@example.org' } };
    },
    refused: ofNone('/v1/api-keys/revoke', { person: 'nobody@example.org' }),
  },
  'DELETE /v1/api-keys/{id}': {
    good: async (lab) => ({ path: `/v1/api-keys/${(await makeKey(lab)).id}` }),
    refused: {
      ...ofNone('/v1/api-keys/none'),
      'state-final': async (lab) => {
        const path = `/v1/api-keys/${(await makeKey(lab)).id}`;
        await lab.ask('DELETE', path);
        return { path };
      },
      'last-owner': async (lab) => {
        const own = lab.apiKey.split('.')[1];
        const others = [...lab.store.state.apiKeys.values()].filter(
          (key) => isLastingOwner(key) && key.id !== own,
        );
        for (const { id } of others) await lab.ask('DELETE', `/v1/api-keys/${id}`);
        return { path: `/v1/api-keys/${own}` };
      },
    },
  },
  'GET /v1/gateways': { good: at('/v1/gateways') },
  ...Object.fromEntries(
    ['metrics', 'healthz', 'readyz'].map((path) => [
      `GET /v1/gateways/{id}/${path}`,
      {
        good: at(`/v1/gateways/one/${path}`),
        refused: {
          ...ofNone(`/v1/gateways/none/${path}`),
          'gateway-unreachable': at(`/v1/gateways/gone/${path}`),
        },
      },
    ]),
  ),
  'GET /v1/access-log': { good: at('/v1/access-log') },
  'GET /v1/flows': { good: at('/v1/flows'), refused: searchFails('/v1/flows') },
  'GET /v1/flows/blast-radius/{device}': {
    good: async (lab) => ({ path: `/v1/flows/blast-radius/${(await lab.enroll()).device}` }),
    refused: {
      ...ofNone('/v1/flows/blast-radius/none'),
      'search-overrun': blastFails(new SearchOverrun('it takes too long')),
      'search-unavailable': blastFails(new Error('no such file')),
    },
  },
  'GET /v1/flows/tail': {
    good: at('/v1/flows/tail?seconds=1'),
    refused: { 'too-many-followers': tailFull },
  },
  'GET /v1/flows/summary': {
    good: at('/v1/flows/summary?by=user,device'),
    refused: searchFails('/v1/flows/summary?by=user'),
  },
};
