import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect as connectHttp2 } from 'node:http2';
import type { ClientHttp2Session } from 'node:http2';
import { connect as connectTcp } from 'node:net';
import type { Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { ConnectionOptions, TLSSocket } from 'node:tls';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import { issueCertificate } from '../../certs/authority.ts';
import { parseRequest } from '../../certs/request.ts';
import type { InspectionSettings, Settings } from '../../src/contract/settings.ts';
import type { ControlState } from '../../src/domain/control-state.ts';
import type { Device } from '../../src/domain/device.ts';
import type { ControlEvent, LedgerEntry } from '../../src/domain/events.ts';
import type {
  FlowClass,
  FlowFacts,
  FlowOutcome,
  FlowRecorder,
  SessionEvent,
  TunnelTraffic,
} from '../../src/domain/flow.ts';
import type { Finding } from '../../src/domain/finding.ts';
import type { UserName } from '../../src/domain/ids.ts';
import type { Posture } from '../../src/domain/posture.ts';
import { machineName } from '../../src/domain/subject.ts';
import type { SignIn } from '../../src/domain/subject.ts';
import type { App, Policy } from '../../src/domain/resources.ts';
import { createFlowRecorder } from '../../src/flow/recorder.ts';
import { verifyFlows } from '../../src/flow/verify/verify-flows.ts';
import { buildGateway } from '../../src/gateway/build-gateway.ts';
import type { RunningGateway } from '../../src/gateway/build-gateway.ts';
import type { GatewayPorts } from '../../src/gateway/ports.ts';
import type { DataLossScanner } from '../../src/gateway/data-loss/data-loss-scanner.ts';
import type { MalwareScanner } from '../../src/gateway/malware/malware-scanner.ts';
import type { Waf } from '../../src/gateway/waf/waf.ts';
import { createSigningKey, loadSigningKey } from '../../src/identity/signing-key.ts';
import { signSessionToken } from '../../src/identity/session-token.ts';
import { linkEntry } from '../../src/ledger/chain.ts';
import { emptyState } from '../../src/ledger/fold.ts';
import { createPolicyEngine } from '../../src/policy/engine.ts';
import { DialError } from '../../src/routing/dialer.ts';
import type { Dialer } from '../../src/routing/dialer.ts';
import { problemsOf, recordsIn } from './flow-records.ts';
import { makeOrganization } from './pki.ts';
import type { LabDevice, Organization } from './pki.ts';

export type RecordKind =
  | 'request'
  | 'tunnel-opened'
  | 'tunnel-traffic'
  | 'tunnel-closed'
  | 'authentication'
  | 'session';
export interface Recorded {
  readonly kind: RecordKind;
  readonly facts: FlowFacts;
  readonly outcome: FlowOutcome | undefined;
  readonly traffic?: TunnelTraffic;
  readonly event?: SessionEvent['kind'];
}

/** Writes records as a worker does, and keeps what they were made of, so that a test can wait for one. */
export interface LabRecorder extends FlowRecorder {
  readonly records: Recorded[];
  /** Where the records are written. */
  readonly directory: string;
  /** The first record that fits, there already or still to come. @param from how many of those that are there to pass over. */
  next(fits: (record: Recorded) => boolean, from?: number): Promise<Recorded>;
  /** So many tokens were verified, and what hangs on it is done, for which the record has to be on the disk. */
  tokensAccepted(count: number, from: number): Promise<void>;
  /** While true nothing is written, as on a full disk. */
  isFull: boolean;
  /** What is not let in any more because records have all the room that they may take. */
  withoutRoomFor: readonly FlowClass[];
  /** @throws when a record that was written breaks a schema or the chain. */
  close(): Promise<void>;
}

function createLabRecorder(onFinding: (finding: Finding) => void): LabRecorder {
  const records: Recorded[] = [];
  const waiting = new Set<(record: Recorded) => void>();
  const directory = mkdtempSync(join(tmpdir(), 'postern-lab-'));
  const failures: Error[] = [];
  let findings = 0;
  const written = createFlowRecorder({
    directory,
    gateway: 'gateway.example.org',
    domain: 'example.org',
    bootId: 'lab',
    worker: 1,
    productVersion: '0.1.0',
    onFailure: (error) => failures.push(error),
  });
  const add = (
    kind: RecordKind,
    facts: FlowFacts,
    outcome?: FlowOutcome,
    more: Partial<Recorded> = {},
  ): void => {
    const record = { kind, facts, outcome, ...more };
    records.push(record);
    for (const look of waiting) look(record);
  };
  return {
    records,
    directory,
    isFull: false,
    withoutRoomFor: [],
    next: (fits, from = 0) =>
      new Promise((resolve) => {
        const known = records.slice(from).find(fits);
        if (known !== undefined) return resolve(known);
        const look = (record: Recorded): void => {
          if (!fits(record)) return;
          waiting.delete(look);
          resolve(record);
        };
        waiting.add(look);
      }),
    async tokensAccepted(count, from) {
      const isToken = ({ kind, facts }: Recorded): boolean =>
        kind === 'authentication' && facts.subject !== undefined;
      await this.next(() => records.slice(from).filter(isToken).length >= count);
      await new Promise<void>((resolve) => written.whenSynced(resolve));
    },
    request(facts, outcome) {
      written.request(facts, outcome);
      add('request', facts, outcome);
    },
    tunnelOpened(facts) {
      written.tunnelOpened(facts);
      add('tunnel-opened', facts);
    },
    tunnelClosed(facts, outcome) {
      written.tunnelClosed(facts, outcome);
      add('tunnel-closed', facts, outcome);
    },
    tunnelTraffic(facts, traffic) {
      written.tunnelTraffic(facts, traffic);
      add('tunnel-traffic', facts, undefined, { traffic });
    },
    session(facts, event) {
      written.session(facts, event);
      add('session', facts, event.kind === 'close' ? event.outcome : undefined, { event: event.kind });
    },
    authentication(facts, outcome) {
      written.authentication(facts, outcome);
      add('authentication', facts, outcome);
    },
    whenWritten(callback) {
      if (!this.isFull) written.whenWritten(callback);
    },
    whenSynced(callback) {
      if (!this.isFull) written.whenSynced(callback);
    },
    healthy() {
      return !this.isFull && written.healthy();
    },
    hasRoomFor(flowClass) {
      return !this.withoutRoomFor.includes(flowClass);
    },
    finding(finding) {
      written.finding(finding);
      findings += 1;
      onFinding(finding);
    },
    async close() {
      written.close();
      const { problems } = await verifyFlows(directory);
      const lines = recordsIn(directory);
      rmSync(directory, { recursive: true, force: true });
      expect({ failures, problems, records: lines.length, wrong: lines.flatMap(problemsOf) }).toEqual({
        failures: [],
        problems: [],
        records: records.length + findings,
        wrong: [],
      });
    },
  };
}

export const labSettings = (limits: Partial<Settings['limits']> = {}): Settings => ({
  version: 1,
  domain: 'example.org',
  data: '.',
  gateway: {
    listen: '127.0.0.1',
    port: 0,
    name: 'gateway.example.org',
    addresses: ['127.0.0.1:0'],
    workers: 1,
    minTlsVersion: 'TLSv1.3',
  },
  control: { listen: '127.0.0.1', port: 0, names: ['localhost'] },
  operator: { listen: '127.0.0.1', port: 0 },
  limits: {
    handshakeTimeoutMs: 5000,
    headersTimeoutMs: 5000,
    bodyIdleTimeoutMs: 5000,
    idleConnectionTimeoutMs: 60_000,
    maxHeaderBytes: 32_768,
    maxConnectionsPerAddress: 4096,
    maxStreamsPerConnection: 256,
    dialTimeoutMs: 2000,
    upstreamHeadersTimeoutMs: 5000,
    upstreamBodyIdleTimeoutMs: 5000,
    upstreamConnectionsPerWorker: 256,
    drainTimeoutMs: 2000,
    ...limits,
  },
  log: { level: 'silent' },
});

/** Every address of every network is a port on this machine; which network asked is kept for the test to see. */
export interface LabDialer extends Dialer {
  readonly dials: { readonly network: string; readonly port: number }[];
  /** The gateway's ends of the connections that were made. */
  readonly sockets: Socket[];
  /** Fails dials to these ports, as a connector would say it. */
  readonly failures: Map<number, DialError>;
}

export function createLabDialer(): LabDialer {
  const dials: { network: string; port: number }[] = [];
  const sockets: Socket[] = [];
  const failures = new Map<number, DialError>();
  return {
    dials,
    sockets,
    failures,
    async dial(network, { port }, { onread } = {}) {
      dials.push({ network, port });
      const failure = failures.get(port);
      if (failure !== undefined) throw failure;
      const socket = connectTcp({ host: '127.0.0.1', port, noDelay: true, onread });
      sockets.push(socket);
      try {
        await once(socket, 'connect');
      } catch (error) {
        throw new DialError('unreachable', (error as NodeJS.ErrnoException).code ?? 'failed');
      }
      socket.pause();
      return { socket, address: '127.0.0.1' };
    },
    async dialDatagrams(network, { port, transport }) {
      if (transport !== 'udp') throw new DialError('not-registered', 'asked for datagrams of a TCP port');
      dials.push({ network, port });
      const failure = failures.get(port);
      if (failure !== undefined) throw failure;
      const socket = createSocket('udp4');
      socket.connect(port, '127.0.0.1');
      await once(socket, 'connect');
      return { socket, address: '127.0.0.1' };
    },
  };
}

export interface LabLaptop {
  readonly user: string;
  readonly certificate: LabDevice;
  /** A fresh token of this laptop's user, bound to its certificate. */
  token(changes?: TokenChanges): Promise<string>;
  /** TLS to the gateway. */
  connect(options?: ConnectionOptions): Promise<TLSSocket>;
  /** An agent's session: HTTP/2 to the gateway's own name. */
  session(options?: ConnectionOptions): Promise<ClientHttp2Session>;
}

export interface TokenChanges {
  readonly user?: string;
  readonly thumbprint?: string;
  readonly device?: string;
  /** Epoch seconds. */
  readonly now?: number;
  readonly posture?: Posture;
  readonly signIn?: SignIn;
}

export interface LabDeviceOptions {
  readonly now?: Date;
  /** A machine asks under its own name; `user` answers for it. */
  readonly role?: 'laptop' | 'machine';
}

export interface LabGateway {
  readonly organization: Organization;
  readonly gateway: RunningGateway;
  readonly port: number;
  readonly recorder: LabRecorder;
  readonly dialer: LabDialer;
  readonly state: ControlState;
  readonly errors: unknown[];
  /** Facts of what was logged as a warning. */
  readonly warnings: unknown[];
  clock: { now: number };
  laptop(user: string, options?: LabDeviceOptions): Promise<LabLaptop>;
  /** Appends events to the ledger and hands them to the gateway. */
  commit(...events: ControlEvent[]): void;
  close(): Promise<void>;
}

export const labApp = (name: string, upstreams: readonly string[], more: Partial<App> = {}): App => ({
  kind: 'App',
  name,
  network: 'finance',
  host: `${name}.apps.example.org`,
  protocol: 'http',
  upstreams: [...upstreams],
  ...more,
});

export const permitAll: Policy = {
  kind: 'Policy',
  name: 'everyone',
  cedar: 'permit (principal, action == Action::"access", resource);',
};

/** An organization with a gateway of its own, in this process: real TLS, real policies, real sockets. */
export async function startLabGateway(options: {
  readonly apps: readonly App[];
  readonly policies?: readonly Policy[];
  readonly limits?: Partial<Settings['limits']>;
  readonly upstreamAuthoritiesPem?: string;
  readonly openBrowserSession?: GatewayPorts['openBrowserSession'];
  readonly recorder?: FlowRecorder;
  readonly onFinding?: (finding: Finding) => void;
  readonly inspection?: InspectionSettings;
  readonly waf?: Waf;
  readonly malwareScanner?: MalwareScanner | undefined;
  readonly dataLossScanner?: DataLossScanner | undefined;
  /** Trusted beside the device authority. */
  readonly managedAuthorityPem?: string;
}): Promise<LabGateway> {
  const organization = await makeOrganization();
  const clock = { now: Date.now() };
  const startedAt = Date.now();
  const time = (): number => clock.now + (Date.now() - startedAt);
  const state = emptyState();
  const engine = createPolicyEngine();
  const recorder = createLabRecorder(options.onFinding ?? (() => undefined));
  const dialer = createLabDialer();
  const errors: unknown[] = [];
  const warnings: unknown[] = [];
  const sessionKey = createSigningKey('session', Math.floor(time() / 1000));
  const assertionKey = createSigningKey('assertion', Math.floor(time() / 1000));
  const certificate = await organization.issueGateway();
  state.domain = organization.domain;
  state.signingKeys.set(sessionKey.published.kid, sessionKey.published);
  state.signingKeys.set(assertionKey.published.kid, assertionKey.published);
  for (const network of new Set(options.apps.map((app) => app.network)))
    state.networks.set(network as never, { kind: 'Network', name: network, attach: { direct: true } });
  for (const app of options.apps) state.apps.set(app.name as never, app);
  for (const policy of options.policies ?? [permitAll]) state.policies.set(policy.name, policy);

  const keep = (facts: object): void => void errors.push(facts);
  const gateway = buildGateway({
    settings: {
      ...labSettings(options.limits),
      ...(options.inspection === undefined ? {} : { inspection: options.inspection }),
    },
    ...(options.waf === undefined ? {} : { waf: options.waf }),
    malwareScanner: options.malwareScanner,
    dataLossScanner: options.dataLossScanner,
    snapshot: state,
    certificate: { certificatePem: certificate.chainPem, keyPem: certificate.keyPem },
    deviceAuthorityPem: organization.deviceAuthorityPem,
    managedAuthorityPem: options.managedAuthorityPem,
    rootPem: organization.rootPem,
    assertionKey: { kid: assertionKey.published.kid, privateKeyPem: assertionKey.privateKeyPem },
    engine,
    dialer,
    recorder: options.recorder ?? recorder,
    openBrowserSession:
      options.openBrowserSession ?? (() => Promise.resolve({ code: 'sign-in-not-configured' })),
    certifyApp: async (app, csrPem) => {
      const { publicKeyPem } = await parseRequest(csrPem);
      const { service } = organization.authorities;
      const leaf = await issueCertificate(service, 'app', { publicKeyPem, dnsNames: [app.host] }, new Date());
      return leaf.certificatePem + service.certificatePem;
    },
    ...(options.upstreamAuthoritiesPem === undefined
      ? {}
      : { upstreamAuthoritiesPem: options.upstreamAuthoritiesPem }),
    clock: time,
    log: {
      debug: () => undefined,
      info: () => undefined,
      warn: (facts) => void warnings.push(facts),
      error: keep,
    },
  });
  const port = await gateway.listen();
  const open = new Set<Socket>();
  const sessions = new Set<ClientHttp2Session>();

  const lab: LabGateway = {
    organization,
    gateway,
    port,
    recorder,
    dialer,
    state,
    errors,
    warnings,
    clock,
    async laptop(user, { now, role = 'laptop' } = {}) {
      const device = await organization.issueDevice(now === undefined ? {} : { now });
      const enrolled: Device = {
        id: device.id,
        user: user as UserName,
        role,
        state: 'active',
        enrolledAt: Math.floor(time() / 1000),
        changedAt: Math.floor(time() / 1000),
        certificates: [device.issued],
      };
      state.devices.set(device.id, enrolled);
      engine.load(state);
      const asker = role === 'machine' ? machineName(organization.domain, device.id) : user;
      const signingKey = loadSigningKey(sessionKey.published.kid, sessionKey.privateKeyPem);
      const connect = async (more: ConnectionOptions = {}): Promise<TLSSocket> => {
        const socket = connectTls({
          host: '127.0.0.1',
          port,
          ca: organization.rootPem,
          cert: device.chainPem,
          key: device.keyPem,
          ALPNProtocols: ['http/1.1'],
          ...more,
        });
        open.add(socket);
        socket.on('error', () => undefined);
        await once(socket, 'secureConnect');
        return socket;
      };
      return {
        user,
        certificate: device,
        token: async (changes = {}) => {
          const signed = await signSessionToken(signingKey, {
            domain: organization.domain,
            user: (changes.user ?? asker) as UserName,
            device: (changes.device ?? device.id) as never,
            thumbprint: changes.thumbprint ?? device.thumbprint,
            claims: {},
            posture: changes.posture,
            signIn: changes.signIn,
            now: changes.now ?? Math.floor(time() / 1000),
          });
          return signed.token;
        },
        connect,
        async session(more = {}) {
          const socket = await connect({ servername: 'gateway.example.org', ALPNProtocols: ['h2'], ...more });
          const session = connectHttp2('https://gateway.example.org', { createConnection: () => socket });
          session.on('error', () => undefined);
          sessions.add(session);
          await new Promise<void>((resolve, reject) => {
            session.once('remoteSettings', () => resolve());
            session.once('close', () => reject(new Error('the gateway closed the session')));
          });
          return session;
        },
      };
    },
    commit(...events) {
      const entries: LedgerEntry[] = [];
      let head = state.head;
      for (const event of events) {
        const entry = linkEntry(head, { at: time(), actor: 'api-key:lab', event });
        entries.push(entry);
        head = { sequence: entry.sequence, hash: entry.hash };
      }
      gateway.applyEntries(entries);
    },
    async close() {
      for (const session of sessions) session.destroy();
      for (const socket of open) socket.destroy();
      await gateway.close();
      await recorder.close();
    },
  };
  return lab;
}

export const randomName = (): string => randomBytes(4).toString('hex');
