import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { request } from 'node:https';
import type { IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { once } from 'node:events';
import { pino } from 'pino';
import type { AuthorityCertificate } from '../../certs/signer.ts';
import { createKeyAndRequest } from '../../certs/request.ts';
import { createAnswerMemory } from '../../src/control/api/answer-memory.ts';
import { countedAtOnce, defaultRateLimits } from '../../src/control/api/rate-limits.ts';
import type { RateLimits } from '../../src/control/api/rate-limits.ts';
import { openAccessLog } from '../../src/control/records/access-log.ts';
import type { AccessLog } from '../../src/control/records/access-log.ts';
import { createApiKey } from '../../src/control/api/api-key.ts';
import { buildControl } from '../../src/control/api/build-control.ts';
import { limitConnections } from '../../src/control/api/connection-limit.ts';
import type { ControlApp, ControlParts, GatewayAddress } from '../../src/control/api/control-parts.ts';
import { createLostDeviceWatch } from '../../src/control/devices/lost-devices.ts';
import { createFailureLimit } from '../../src/control/failure-limit.ts';
import { createMemorySignals } from '../../src/control/fleeting/fleeting-signals.ts';
import type { FleetingSignals } from '../../src/control/fleeting/fleeting-signals.ts';
import { createMemoryFleeting } from '../../src/control/fleeting/memory-fleeting.ts';
import { createManagedDevices } from '../../src/control/devices/managed-devices.ts';
import { createPeople } from '../../src/control/people/people.ts';
import { openSqlitePeople } from '../../src/control/people/sqlite-people.ts';
import { createPostureMemory } from '../../src/control/devices/posture-memory.ts';
import { openRegistrationAuthorities } from '../../src/control/devices/registration-authorities.ts';
import { createRevocationList } from '../../src/control/devices/revocation-list.ts';
import { openSigningKeyFiles } from '../../src/control/keys/signing-key-files.ts';
import { createSigningKeys } from '../../src/control/keys/signing-keys.ts';
import { controlTlsOptions } from '../../src/control/api/tls-options.ts';
import { createWorkerFleet } from '../../src/control/workers/worker-fleet.ts';
import type { TrackedFleet } from '../../src/control/workers/worker-fleet.ts';
import type { DeviceRole } from '../../src/domain/device.ts';
import { authoritySigner } from '../../src/enrollment/authority-signer.ts';
import type { Role, Scope } from '../../src/domain/administration.ts';
import { createSealer } from '../../src/identity/sealer.ts';
import { LedgerUnconfirmed } from '../../src/ledger/ledger.ts';
import type { Ledger } from '../../src/ledger/ledger.ts';
import { openLedgerStore } from '../../src/ledger/store.ts';
import type { LedgerStore } from '../../src/ledger/store.ts';
import { openSqliteLedger } from '../../src/ledger/sqlite/sqlite-ledger.ts';
import { createPolicyEngine } from '../../src/policy/engine.ts';
import { flowPlacesOf } from '../../src/flow/search/flow-places.ts';
import { createSearcher } from '../../src/flow/search/searcher.ts';
import { makeOrganization } from '../lab/pki.ts';
import type { Organization } from '../lab/pki.ts';

/** One answer, as a client over a real TLS connection sees it. */
export interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly text: string;
  /** The body as JSON, to be compared with what is expected; undefined where it is none. */
  readonly body: ReturnType<typeof JSON.parse>;
}

export interface Identity {
  readonly chainPem: string;
  readonly keyPem: string;
}

export interface ControlLab {
  readonly app: ControlApp;
  readonly parts: ControlParts;
  readonly store: LedgerStore;
  readonly ledger: Ledger;
  readonly fleet: TrackedFleet;
  readonly accessLog: AccessLog;
  /** What gateways would hear. */
  readonly postureRequests: FleetingSignals;
  readonly organization: Organization;
  readonly directory: string;
  readonly apiKey: string;
  readonly port: number;
  /** Everything that was logged, as text. */
  readonly logged: () => string;
  /** Moves the clock of the control plane. */
  readonly pass: (milliseconds: number) => void;
  ask(
    method: string,
    path: string,
    options?: {
      body?: unknown;
      raw?: string | Buffer;
      headers?: Record<string, string | string[]>;
      /** As the administrator, unless told otherwise. */
      key?: string | null;
      client?: Identity;
    },
  ): Promise<Answer>;
  /** A key of a role, made over the API; its name is the role with a number. */
  makeKey(options: { role: Role; scopes?: readonly Scope[] }): Promise<string>;
  /** A one-time token, made over the API. */
  token(user?: string, role?: DeviceRole): Promise<string>;
  /** A laptop, or what else, that enrolled over the API. */
  enroll(user?: string, role?: DeviceRole): Promise<Identity & { readonly device: string }>;
  close(): Promise<void>;
}

export interface ControlLabOptions {
  readonly gateway?: ControlParts['gateway'];
  /** What `postern managed-devices init` makes, where the settings let such devices in. */
  readonly managed?: AuthorityCertificate;
  /** SCEP for them; with a certificate of its own that was made some time ago, in epoch seconds. */
  readonly scep?: true | { readonly madeAt: number };
  /** Makes sign-in, as the settings would. */
  readonly signIn?: (made: {
    readonly organization: Organization;
    readonly store: LedgerStore;
    readonly clock: () => number;
  }) => Promise<ControlParts['signIn']>;
  readonly rateLimits?: RateLimits;
  readonly gateways?: readonly GatewayAddress[];
  readonly approvals?: ControlParts['approvals'];
  /** Records call people by pseudonyms. */
  readonly pseudonyms?: true;
}

/** The control plane over a real SQLite ledger and real TLS, at a port of its own. */
export async function startControlLab(options: ControlLabOptions = {}): Promise<ControlLab> {
  const organization = await makeOrganization();
  const policySigner = await organization.issuePolicySigner();
  const directory = await mkdtemp(join(tmpdir(), 'postern-control-'));
  await mkdir(join(directory, 'certs'));
  let skew = 0;
  let made = 0;
  const clock = (): number => Date.now() + skew;
  const ledger = openSqliteLedger(join(directory, 'ledger.db'), { create: true, now: clock });
  const { key: apiKey, event } = createApiKey({ name: 'admin', role: 'owner' });
  await ledger.append((await ledger.head()).hash, 'postern:init', [
    { type: 'organization-created', domain: organization.domain },
    event,
  ]);
  const store = await openLedgerStore(ledger);
  const engine = createPolicyEngine();
  engine.load(store.state);
  store.onEntries(() => engine.load(store.state));

  const log: string[] = [];
  const logger = pino({ level: 'debug' }, { write: (line: string) => void log.push(line) });
  const keys = createSigningKeys({
    store,
    files: openSigningKeyFiles(directory),
    onChange: () => undefined,
    logger,
  });
  await keys.rotate(Math.floor(clock() / 1000));
  const fleet = createWorkerFleet();
  const accessLog = openAccessLog({
    directory: join(directory, 'access'),
    origin: { productVersion: '0.1.0', domain: organization.domain },
    bootId: 'boot-1',
  });
  const flows = createSearcher({
    places: flowPlacesOf(directory),
    limits: { memoryMegabytes: 256, threads: 1 },
    timeoutMs: 20_000,
  });
  const postureRequests = createMemorySignals();
  const parts: ControlParts = {
    store,
    gateway: options.gateway ?? {
      name: `gateway.${organization.domain}`,
      addresses: () => ['127.0.0.1:8443'],
    },
    reservedHosts: [`gateway.${organization.domain}`],
    signer: authoritySigner(organization.authorities.device, organization.domain),
    rootPem: organization.rootPem,
    deviceAuthorityPem: organization.authorities.device.certificatePem,
    revocationList: createRevocationList({
      authority: organization.authorities.device,
      state: () => store.state,
      now: () => Math.floor(clock() / 1000),
    }),
    managed:
      options.managed === undefined
        ? undefined
        : createManagedDevices({
            authority: options.managed,
            state: () => store.state,
            now: () => Math.floor(clock() / 1000),
            scep:
              options.scep !== undefined
                ? {
                    registrations: await openRegistrationAuthorities({
                      directory,
                      passphrase: undefined,
                      authority: options.managed,
                      domain: organization.domain,
                      shared: createMemoryFleeting(clock, { maxEntries: 1 }),
                      now: options.scep === true ? Math.floor(clock() / 1000) : options.scep.madeAt,
                      logger,
                    }),
                    renewals: createMemoryFleeting(clock, { maxEntries: 100 }),
                  }
                : undefined,
          }),
    graceSeconds: 30 * 86_400,
    sessionKey: () => keys.current('session'),
    policySigner: () => policySigner,
    fleet,
    isLedgerAway: () => false,
    postureRequests,
    postures: createPostureMemory(createMemoryFleeting(clock, { maxEntries: 100 })),
    failures: {
      enrollment: createFailureLimit(createMemoryFleeting(clock, { maxEntries: 100 })),
      scep: createFailureLimit(createMemoryFleeting(clock, { maxEntries: 100 })),
      logout: createFailureLimit(createMemoryFleeting(clock, { maxEntries: 100 })),
      administratorSignIn: createFailureLimit(createMemoryFleeting(clock, { maxEntries: 100 })),
    },
    lostDevices: createLostDeviceWatch(),
    signIn: await options.signIn?.({ organization, store, clock }),
    engine,
    accessLog,
    flows,
    people:
      options.pseudonyms === true
        ? createPeople(
            openSqlitePeople(join(directory, 'people.db')),
            createSealer(organization.authorities.device.privateKeyPem),
          )
        : undefined,
    gateways: () => options.gateways ?? [],
    answers: createAnswerMemory(),
    rateLimits: options.rateLimits ?? defaultRateLimits,
    requestCounts: createMemoryFleeting(clock, countedAtOnce),
    clock,
    approvals: options.approvals ?? 1,
    enforcementTimeoutMs: 100,
  };
  const certificate = await organization.issueControl();
  const tls = controlTlsOptions({ chainPem: certificate.bundlePem, keyPem: certificate.keyPem }, [
    organization.deviceAuthorityPem,
    ...(options.managed === undefined ? [] : [options.managed.certificatePem]),
  ]);
  const app = await buildControl(parts, { tls, logger });
  limitConnections(app.server, { perAddress: 500, total: 1000 });
  await app.listen({ host: '127.0.0.1', port: 0 });
  const { port } = app.server.address() as AddressInfo;

  const lab: ControlLab = {
    app,
    parts,
    postureRequests,
    store,
    ledger,
    fleet,
    accessLog,
    organization,
    directory,
    apiKey,
    port,
    logged: () => log.join(''),
    pass: (milliseconds) => {
      skew += milliseconds;
    },
    async ask(method, path, { body, raw, headers = {}, key = apiKey, client } = {}) {
      const payload = raw ?? (body === undefined ? undefined : JSON.stringify(body));
      const outgoing = request({
        host: '127.0.0.1',
        port,
        method,
        path,
        agent: false,
        servername: 'localhost',
        ca: organization.rootPem,
        ...(client === undefined ? {} : { cert: client.chainPem, key: client.keyPem }),
        headers: {
          ...(key === null ? {} : { authorization: `Bearer ${key}` }),
          ...(payload === undefined
            ? {}
            : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(payload) }),
          ...headers,
        },
      });
      outgoing.end(payload);
      const [response] = (await once(outgoing, 'response')) as [IncomingMessage];
      let text = '';
      for await (const chunk of response) text += String(chunk);
      return { status: response.statusCode ?? 0, headers: response.headers, text, body: parse(text) };
    },
    async makeKey(options) {
      const name = `${options.role}-${(made += 1)}`;
      const answer = await lab.ask('POST', '/v1/api-keys', { body: { name, ...options } });
      if (answer.status !== 200) throw new Error(answer.text);
      return String(answer.body.key);
    },
    async token(user = 'alice@example.org', role = 'laptop') {
      const answer = await lab.ask('POST', '/v1/enrollment-tokens', { body: { user, role } });
      return String(answer.body.token);
    },
    async enroll(user, role) {
      const { privateKeyPem, csrPem } = await createKeyAndRequest();
      const answer = await lab.ask('POST', '/v1/enroll', {
        key: null,
        body: { token: await lab.token(user, role), csr: csrPem },
      });
      if (answer.status !== 200) throw new Error(answer.text);
      return { device: answer.body.device, chainPem: answer.body.certificate, keyPem: privateKeyPem };
    },
    async close() {
      await app.close();
      flows.close();
      accessLog.close();
      parts.people?.close();
      await store.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
  return lab;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** From now on the ledger takes appends and acknowledges none, as one in Redis without its replicas. Returns how to end it. */
export function loseConfirmations({ ledger }: Pick<ControlLab, 'ledger'>): () => void {
  const append = ledger.append.bind(ledger);
  ledger.append = async (...args) => {
    await append(...args);
    throw new LedgerUnconfirmed('made', 'made, but 0 of 1 replicas have it');
  };
  return () => void (ledger.append = append);
}
