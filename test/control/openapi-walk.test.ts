import { once } from 'node:events';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Validator } from '@seriousme/openapi-schema-validator';
import { Ajv2020 } from 'ajv/dist/2020.js';
import type { ValidateFunction } from 'ajv/dist/2020.js';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { refusals } from '../../src/contract/refusals.ts';
import type { RefusalCode } from '../../src/contract/refusals.ts';
import { createApiKey } from '../../src/control/api/api-key.ts';
import { maxWorkMs } from '../../src/control/api/answer-memory.ts';
import { fingerprintOf } from '../../src/control/api/idempotency.ts';
import { createOperatorServer } from '../../src/control/operator-server.ts';
import { roles } from '../../src/domain/administration.ts';
import type { Role } from '../../src/domain/administration.ts';
import { makeManagedAuthority } from '../lab/managed.ts';
import { loseConfirmations, startControlLab } from './control-lab.ts';
import type { Answer, ControlLab, ControlLabOptions } from './control-lab.ts';
import { examples } from './openapi-examples.ts';
import type { Example, OperationExamples } from './openapi-examples.ts';

vi.setConfig({ testTimeout: 240_000, hookTimeout: 60_000 });

interface Schema {
  readonly allOf?: readonly {
    readonly properties?: { readonly code: { readonly enum: readonly RefusalCode[] } };
  }[];
}
interface Operation {
  readonly requestBody?: unknown;
  readonly parameters?: readonly { readonly in: string }[];
  readonly responses: Record<string, { content?: Record<string, { schema: Schema }> }>;
  readonly 'x-roles'?: readonly Role[];
  readonly 'x-scope'?: string;
}
interface Described {
  readonly name: string;
  readonly method: string;
  readonly pointer: string;
  readonly operation: Operation;
}

let operator: Server;
/** With all that settings can turn on, so that there is no route which nobody walks. */
let everything: ControlLabOptions;
let lab: ControlLab;
/** The same with everything limited to nothing; and with an access log that is closed, and hardly anything turned on. */
let limited: ControlLab;
let unrecorded: ControlLab;
/** One whose changes nobody confirms, and one whose ledger is gone: each with what the examples need, from before it was so. */
let unconfirmed: ControlLab;
let storeless: ControlLab;
const prepared = new Map<ControlLab, Map<string, Example>>();
let expired: string;
let document: { paths: Record<string, Record<string, Operation>> };
let operations: Described[];
const keys = new Map<Role, string>();
const ajv = new Ajv2020({ strict: false, allErrors: true });

beforeAll(async () => {
  operator = createOperatorServer({
    notReady: () => [],
    troubles: () => [],
    sinks: () => [],
    metrics: () => 'up 1\n',
  });
  operator.listen(0, '127.0.0.1');
  await once(operator, 'listening');
  everything = { managed: await makeManagedAuthority(), scep: true, pseudonyms: true };
  lab = await startControlLab({
    ...everything,
    gateways: [
      { id: 'one', operator: `http://127.0.0.1:${(operator.address() as AddressInfo).port}` },
      { id: 'gone', operator: 'http://127.0.0.1:1' },
    ],
  });
  limited = await startControlLab({ ...everything, rateLimits: { perAddress: 0, perAdministrator: 0 } });
  unrecorded = await startControlLab({ pseudonyms: true });
  unrecorded.accessLog.close();
  for (const role of roles) keys.set(role, await lab.makeKey({ role }));
  const old = createApiKey({ name: 'old', role: 'owner', expiresAt: 1 });
  await lab.store.commit('test', () => ({ events: [old.event], value: true }));
  expired = old.key;
  document = (await lab.ask('GET', '/v1/openapi.json', { key: null })).body as typeof document;
  ajv.addSchema({ $id: 'openapi', ...document });
  operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({
      name: `${method.toUpperCase()} ${path}`,
      method: method.toUpperCase(),
      pointer: `/paths/${path.replaceAll('~', '~0').replaceAll('/', '~1')}/${method}`,
      operation,
    })),
  );
  unconfirmed = await startPrepared('change-unconfirmed');
  loseConfirmations(unconfirmed);
  storeless = await startPrepared('store-unavailable');
  await storeless.ledger.close();
});
afterAll(async () => {
  await Promise.all([lab, limited, unrecorded, unconfirmed, storeless].map((each) => each.close()));
  operator.close();
  operator.closeAllConnections();
});

const send = (
  target: ControlLab,
  { method }: Described,
  { path, form, message, ...options }: Example,
  {
    headers,
    ...more
  }: { key?: string | null; raw?: string; body?: unknown; headers?: Record<string, string> } = {},
): Promise<Answer> => {
  const mediaType = form === undefined ? 'application/x-pki-message' : 'application/x-www-form-urlencoded';
  const type = form === undefined && message === undefined ? {} : { 'content-type': mediaType };
  return target.ask(method, path, {
    ...options,
    ...(form === undefined ? {} : { raw: form }),
    ...(message === undefined ? {} : { raw: message }),
    ...more,
    headers: { ...type, ...headers },
  });
};

const validators = new Map<string, ValidateFunction>();
function validatorOf(place: string): ValidateFunction {
  const known = validators.get(place) ?? ajv.compile({ $ref: place });
  validators.set(place, known);
  return known;
}

/** What the document says about an answer that is not so. */
function contradictions({ pointer, operation }: Described, answer: Answer): string[] {
  const described = operation.responses[answer.status] ?? operation.responses['default'];
  const type = (answer.headers['content-type'] ?? '').split(';')[0] ?? '';
  if (described?.content?.[type] === undefined) return [`${answer.status} as ${type} is not described`];
  if (!type.endsWith('json')) return [];
  const status = operation.responses[answer.status] === undefined ? 'default' : answer.status;
  const escaped = type.replaceAll('/', '~1');
  const validate = validatorOf(`openapi#${pointer}/responses/${status}/content/${escaped}/schema`);
  return validate(answer.body)
    ? []
    : (validate.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message}`);
}

const codesOf = ({ operation }: Described): RefusalCode[] =>
  Object.values(operation.responses).flatMap(({ content }) => {
    const schema = content?.['application/problem+json']?.schema;
    return schema?.allOf?.flatMap(({ properties }) => properties?.code.enum ?? []) ?? [];
  });

/** With what the examples of all routes need that can answer so. */
async function startPrepared(code: RefusalCode): Promise<ControlLab> {
  const started = await startControlLab(everything);
  const ready = new Map<string, Example>();
  for (const described of operations) {
    const example = examples[described.name];
    if (example !== undefined && example.needsSetup !== true && codesOf(described).includes(code))
      ready.set(described.name, await example.good(started));
  }
  prepared.set(started, ready);
  return started;
}

function preparedFor(target: ControlLab, { name }: Described): Example {
  const example = prepared.get(target)?.get(name);
  if (example === undefined) throw new TypeError(`${name} is not prepared`);
  return example;
}

let keysUsed = 0;
/** An idempotency key that somebody else's request, or this one, is under way with. */
async function claimed(described: Described, good: Example, fingerprint: string, agoMs = 0): Promise<Answer> {
  const key = `claimed-${(keysUsed += 1)}`;
  const [, id = ''] = good.key?.split('.') ?? [];
  const actor = `api-key:${lab.store.state.apiKeys.get(id)?.name ?? 'admin'}`;
  await lab.parts.answers.claim(`${actor} ${key}`, fingerprint, lab.parts.clock() - agoMs);
  return send(lab, described, good, { headers: { 'idempotency-key': key } });
}

type Attempt = (described: Described, good: Example) => Promise<Answer>;
const withHeader =
  (name: string, value: string): Attempt =>
  (described, good) =>
    send(lab, described, good, { headers: { [name]: value } });

/** How each refusal that routes have in common is had. */
const attempts: Readonly<Partial<Record<RefusalCode, Attempt>>> = {
  'api-key-invalid': (described, good) => send(lab, described, good, { key: null }),
  'api-key-expired': (described, good) => send(lab, described, good, { key: expired }),
  'certificate-missing': ({ method }, { path, body }) =>
    lab.ask(method, path, { key: null, ...(body === undefined ? {} : { body }) }),
  'role-missing': (described, good) => {
    // What a role may do with one body and not with another is tried with the one that it may not.
    const barred = roles.find((role) => described.operation['x-roles']?.includes(role) !== true);
    const [key, body] =
      barred === undefined || described.name === 'POST /v1/devices/{id}/state'
        ? [keys.get('helpdesk'), { state: 'revoked', reason: 'test' }]
        : [keys.get(barred), good.body];
    return send(lab, described, good, { key: key ?? null, body });
  },
  'scope-missing': async (described, good) => {
    const [role = 'owner'] = described.operation['x-roles'] ?? [];
    const other = described.operation['x-scope'] === 'devices:read' ? 'resources:read' : 'devices:read';
    return send(lab, described, good, { key: await lab.makeKey({ role, scopes: [other] }) });
  },
  'rate-limited': (described, good) => send(limited, described, good, { key: limited.apiKey }),
  'invalid-input': (described, good) => {
    if (good.form !== undefined) return send(lab, described, { ...good, form: 'unknown=1' });
    if (described.operation.requestBody !== undefined)
      return send(lab, described, good, { body: ['not', 'an', 'object'] });
    return described.operation.parameters?.some((parameter) => parameter.in === 'query') === true
      ? send(lab, described, { ...good, path: `${good.path}?unknown=1` })
      : withHeader('idempotency-key', 'short')(described, good);
  },
  'content-type-malformed': withHeader('content-type', 'text/plain'),
  'content-too-large': withHeader('content-length', '99999999'),
  'access-log-unavailable': async (described) => {
    const { good } = examples[described.name] as OperationExamples;
    return send(unrecorded, described, await good(unrecorded));
  },
  'scep-off': (described, good) =>
    send(unrecorded, described, good, {
      key: unrecorded.apiKey,
      body: { user: 'alice@example.org', protocol: 'scep' },
    }),
  'pseudonyms-off': async (described, good) => {
    const named = await startControlLab();
    try {
      return await send(named, described, good, { key: named.apiKey });
    } finally {
      await named.close();
    }
  },
  'managed-devices-off': (described, good) => send(unrecorded, described, good, { key: unrecorded.apiKey }),
  'certificate-request-invalid': (described, good) =>
    send(lab, described, good, { body: { ...(good.body as object), csr: 'not a request' } }),
  'precondition-failed': withHeader('if-match', '"no-such-tag"'),
  'idempotency-key-reused': (described, good) => claimed(described, good, 'of another request'),
  'request-in-progress': (described, good) =>
    claimed(
      described,
      good,
      fingerprintOf({ method: described.method, url: good.path, headers: {}, body: good.body }),
    ),
  // Its holder was killed at it.
  'change-unknown': (described, good) =>
    claimed(
      described,
      good,
      fingerprintOf({ method: described.method, url: good.path, headers: {}, body: good.body }),
      maxWorkMs,
    ),
  'change-unconfirmed': (described) => send(unconfirmed, described, preparedFor(unconfirmed, described)),
  'person-unknown': async (described) => {
    const two = await startControlLab();
    try {
      const { good } = examples[described.name] as OperationExamples;
      const example = await good(two);
      Object.assign(two.parts, { approvals: 2 });
      return await send(two, described, example);
    } finally {
      await two.close();
    }
  },
  // Where all keys that last are of one person.
  'last-owner': async (described) => {
    const one = await startControlLab();
    try {
      const { key, event } = createApiKey({ name: 'last', role: 'owner' });
      await one.store.commit('user:last@example.org', () => ({ events: [event], value: true }));
      await one.ask('DELETE', `/v1/api-keys/${one.apiKey.split('.')[1]}`, { key });
      return await send(one, described, {
        path: '/v1/api-keys/revoke',
        key,
        body: { person: 'last@example.org' },
      });
    } finally {
      await one.close();
    }
  },
  'store-unavailable': (described) => send(storeless, described, preparedFor(storeless, described)),
};

/** What comes from the ledger alone. */
const ofTheStore: readonly RefusalCode[] = ['store-unavailable', 'change-unconfirmed'];

describe('the OpenAPI document', () => {
  it('is one of OpenAPI 3.1, by the published schema', async () => {
    const validator = new Validator();
    const { valid, errors } = await validator.validate(structuredClone(document));
    expect(errors).toBeUndefined();
    expect([valid, validator.version]).toEqual([true, '3.1']);
    expect(() => validator.resolveRefs()).not.toThrow();
  });

  it('has an example for every operation, and none for what is not there', () => {
    expect(operations.map(({ name }) => name).sort()).toEqual(Object.keys(examples).sort());
  });

  it('says of every route what it answers: its good example is answered so', async () => {
    for (const described of operations) {
      const example = examples[described.name];
      if (example === undefined) continue;
      const answer = await send(lab, described, await example.good(lab));
      if (example.needsSetup !== true) expect(answer.status, `${described.name} ${answer.text}`).toBe(200);
      expect(contradictions(described, answer), described.name).toEqual([]);
    }
  });

  it('promises no refusal that cannot be had, and describes each as it is', async () => {
    let tried = 0;
    for (const described of operations) {
      const example = examples[described.name];
      for (const code of codesOf(described)) {
        // Without its setup it never comes as far as the ledger.
        if (example?.needsSetup === true && ofTheStore.includes(code)) continue;
        const own = example?.refused?.[code];
        const answer =
          own === undefined
            ? await attempts[code]?.(described, (await example?.good(lab)) ?? { path: '/' })
            : await send(lab, described, await own(lab));
        const what = `${described.name} ${code}: ${answer?.text}`;
        expect(answer?.body?.code, what).toBe(code);
        expect(answer?.status, what).toBe(refusals[code].status);
        if (answer !== undefined) expect(contradictions(described, answer), what).toEqual([]);
        tried += 1;
        // By then an address that failed too often is listened to again.
        if (code === 'rate-limited') lab.pass(61_000);
      }
    }
    expect(tried).toBeGreaterThan(100);
  });

  it('names the roles that a route admits, which are those that it does admit', () => {
    for (const { name, operation } of operations)
      if (operation['x-scope'] !== undefined) expect(operation['x-roles'], name).not.toEqual([]);
    const applying = operations.find(({ name }) => name === 'POST /v1/apply');
    expect(applying?.operation).toMatchObject({
      'x-roles': ['owner', 'security'],
      'x-scope': 'resources:write',
    });
  });
});
