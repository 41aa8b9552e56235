import { setTimeout as wait } from 'node:timers/promises';
import { refuse } from '../contract/refusals.ts';
import type { ControlState } from '../domain/control-state.ts';
import type { LedgerEntry } from '../domain/events.ts';
import type { DeviceId, FlowId } from '../domain/ids.ts';
import { createTokenVerifier } from '../identity/session-token.ts';
import type { TokenVerifier } from '../identity/session-token.ts';
import { createUuidV7 } from '../flow/record/uuid.ts';
import { createStateFollower } from '../ledger/state-follower.ts';
import { parseEvent } from '../ledger/event-schema.ts';
import { buildAppTable } from '../routing/app-table.ts';
import { createAppProbes } from './app-probes.ts';
import { createCutTunnels } from './protocol/cut-tunnels.ts';
import { createAppCertificates } from './listener/app-certificates.ts';
import { createAssertions } from './assertions.ts';
import { Bag } from './listener/bag.ts';
import { answerMalformed } from './answers/answer-malformed.ts';
import type { ClientConnection } from './listener/client-connection.ts';
import type { Gateway } from './gateway.ts';
import { createGrants, isKnownDevice } from './grants.ts';
import { createHeldBytes } from './content/held-bytes.ts';
import { createInspectionPlans } from './content/inspection-plan.ts';
import { createHttp1Server } from './http1/http1-server.ts';
import { createHttp2Sessions } from './http2/http2-sessions.ts';
import { createListener } from './listener/listener.ts';
import { dataLossFound } from './data-loss/data-loss-finding.ts';
import { createDataLossInspector } from './data-loss/data-loss-inspector.ts';
import { malwareFound } from './malware/malware-finding.ts';
import { createMalwareInspector } from './malware/malware-inspector.ts';
import { createVerdictCache } from './malware/verdict-cache.ts';
import { handleExchange } from './pipeline.ts';
import type { GatewayPorts } from './ports.ts';
import { createFlowLog } from './records/record-flow.ts';
import { createSituations } from './records/situations.ts';
import { identifyDevice } from './steps/identify-device.ts';
import { createTlsContexts } from './listener/tls-contexts.ts';
import { createTunnels } from './tunnels/tunnel.ts';
import { noWaf } from './waf/waf.ts';
import { createUpstreams } from './upstream/upstreams.ts';

export interface RunningGateway {
  /** Accepts connections. @returns the port. */
  listen(): Promise<number>;
  /**
   * Moves the state on; when it returns, what the change denies is cut.
   * @throws LedgerCorrupt: the gateway must then stop serving.
   */
  applyEntries(entries: readonly LedgerEntry[]): void;
  /** A whole state takes the place of the one that is in force, which may have missed something. */
  replaceState(snapshot: ControlState): void;
  /** Asks that device for its posture on each session that it has here. */
  askPosture(device: DeviceId): void;
  setCertificate(certificatePem: string, keyPem: string): void;
  setAssertionKey(kid: string, privateKeyPem: string): void;
  /** Takes no more, lets flows end for as long as the settings say, then ends what is left. */
  drain(): Promise<void>;
  /** Ends everything at once. */
  close(): Promise<void>;
  counters(): GatewayCounters;
}

export interface GatewayCounters {
  readonly sequence: number;
  readonly connections: number;
  readonly flowsOpen: number;
  readonly requestsTotal: number;
  readonly refusalsTotal: Readonly<Record<string, number>>;
}

/** How often time alone is asked whether it changed an answer. */
const reviewIntervalMs = 250;
const lastAnswerMs = 50;
/** Flows whose connections are gone end by themselves; one that does not must not keep a worker from stopping. */
const longestEndMs = 2000;
const renewalIntervalMs = 60_000;

/** The policy enforcement point, whole but for its process. Everything outside comes through the ports. */
export function buildGateway(ports: GatewayPorts): RunningGateway {
  const { settings, engine, clock, log } = ports;
  const nowSeconds = (): number => Math.floor(clock() / 1000);
  const newFlowId = (): FlowId => createUuidV7(clock()) as FlowId;
  let follower = createStateFollower(ports.snapshot);
  let verifier: { readonly domain: string; readonly verify: TokenVerifier['verify'] } | undefined;
  let isDraining = false;

  const state = (): ControlState => follower.state;
  const contexts = createTlsContexts(settings, [
    ports.deviceAuthorityPem,
    ...(ports.managedAuthorityPem === undefined ? [] : [ports.managedAuthorityPem]),
  ]);
  const appCertificates = createAppCertificates({
    certify: ports.certifyApp,
    createContext: (certificatePem, keyPem) => contexts.create(certificatePem, keyPem),
    rootPem: ports.rootPem,
    now: nowSeconds,
    log,
  });
  const record = createFlowLog({ recorder: ports.recorder, newFlowId, now: clock, log });
  const grants = createGrants({ engine, state, now: nowSeconds });
  const tunnels = createTunnels({
    gateway: () => gateway,
    certificates: appCertificates,
    handshakeTimeoutMs: settings.limits.handshakeTimeoutMs,
    servers: { serve: (owner) => http1.serve(owner) },
  });

  const upstreams = createUpstreams({
    dialer: ports.dialer,
    settings,
    authoritiesPem: ports.upstreamAuthoritiesPem,
    now: clock,
  });
  const situations = createSituations({
    record: (finding) => record.finding(finding),
    newId: newFlowId,
    now: clock,
  });
  const heldBytes = createHeldBytes(settings.inspection?.maxHeldBytes ?? 0);
  const maxHeldTailBytes = Math.max(
    settings.inspection?.malware?.maxHeldBytes ?? 0,
    settings.inspection?.dataLoss?.maxHeldBytes ?? 0,
  );
  const { malwareScanner } = ports;
  const contentInspectors = [
    createMalwareInspector(
      malwareScanner === undefined
        ? undefined
        : {
            scanner: malwareScanner,
            verdicts: createVerdictCache(),
            heldBytes,
            maxHeldBytes: settings.inspection?.malware?.maxHeldBytes ?? 0,
            found: (flow, content) => situations.note(flow, malwareFound(content), { sums: { requests: 1 } }),
          },
    ),
    createDataLossInspector(ports.dataLossScanner, (flow, direction, isBlocking, counts) =>
      situations.note(flow, dataLossFound(direction, isBlocking), { sums: { requests: 1, ...counts } }),
    ),
  ];
  const gateway: Gateway = {
    settings,
    name: settings.gateway.name.toLowerCase(),
    state,
    engine,
    apps: buildAppTable(ports.snapshot.apps.values()),
    grants,
    record,
    upstreams,
    probes: createAppProbes(upstreams),
    cutTunnels: createCutTunnels(clock),
    assertions: createAssertions({ domain: () => state().domain, key: ports.assertionKey }),
    tunnels,
    inspectionOf: createInspectionPlans(contentInspectors),
    waf: ports.waf ?? noWaf,
    situations,
    heldBytes,
    maxHeldTailBytes,
    maxInspectedBytes: settings.inspection?.maxBodyBytes ?? 0,
    log,
    openBrowserSession: ports.openBrowserSession,
    verifyToken(raw, thumbprint, now) {
      const { domain } = state();
      if (verifier?.domain !== domain) {
        const needsPseudonym = settings.flows?.pseudonyms === true;
        const keys = (): ReturnType<typeof state>['signingKeys'] => state().signingKeys;
        verifier = { domain, ...createTokenVerifier({ domain, keys, needsPseudonym }) };
      }
      return verifier.verify(raw, thumbprint, now);
    },
    listenPort: () => listener.port,
    now: clock,
    nowSeconds,
    isDraining: () => isDraining,
    isReady: () => state().domain !== '' && hasSessionKey(state()),
  };

  const http1 = createHttp1Server(settings, {
    handle: (exchange) => handleExchange(gateway, exchange),
    malformed: (owner, refusal, answer) => answerMalformed(gateway, owner, refusal, answer),
  });
  const http2 = createHttp2Sessions(settings, (exchange) => handleExchange(gateway, exchange));

  const listener = createListener({
    settings,
    contextOptions: contexts.options,
    certificate: withRoot(ports.certificate, ports.rootPem),
    reusePort: ports.reusePort ?? false,
    newFlowId,
    now: clock,
    contextFor(name) {
      if (name === gateway.name) return undefined;
      const app = findHttpApp(state(), gateway, name);
      return app === undefined ? null : appCertificates.contextFor(app);
    },
    onRefused: (connection, refusal) => record.handshake(connection, refusal),
    onSecure(socket, start) {
      const { facts, certificate } = identifyDevice(socket, start, state(), nowSeconds(), ports);
      if ('code' in certificate) {
        record.handshake(facts, certificate);
        if (certificate.code === 'device-lost')
          log.warn({ detail: certificate.detail, source: facts.source.address }, 'lost device connected');
        const cut = (): void => void socket.destroy();
        record.afterSynced(cut, cut);
        return;
      }
      const serverName = facts.tls?.serverName?.toLowerCase();
      const connection: ClientConnection = {
        facts,
        certificate,
        socket,
        appHost: serverName === gateway.name ? undefined : serverName,
        session: undefined,
        browser: undefined,
        verifying: undefined,
        challenge: undefined,
        askPosture: undefined,
        grants: new Bag(),
      };
      record.handshake(facts, undefined);
      grants.adopt(connection);
      socket.once('close', () => {
        grants.release(connection);
        const isIn = isKnownDevice(connection, state());
        if (isIn) record.sessionEnded(connection, isDraining ? 'gateway' : 'client');
        else record.sessionEnded(connection, 'gateway', refuse('grant-ended'));
      });
      if (socket.alpnProtocol === 'h2') http2.serve({ connection, tunnel: undefined, socket });
      else http1.serve({ connection, tunnel: undefined, scheme: 'https', socket });
    },
  });

  const takeOver = (concerned: Concerned): void => {
    engine.load(state());
    if (concerned === 'everything') {
      gateway.apps = buildAppTable(state().apps.values());
      gateway.upstreams.retain(state().apps.values());
      appCertificates.follow(state());
      if (asksFor('waf', state())) gateway.waf.prepare();
      if (asksFor('dlp', state())) ports.dataLossScanner?.prepare();
    }
    grants.revalidate(typeof concerned === 'string' ? 'all' : concerned);
  };
  takeOver('everything');

  const review = setInterval(() => {
    grants.review();
    record.expire();
    situations.tellOn();
    record.tellTraffic();
    http1.expire(performance.now());
  }, reviewIntervalMs);
  const renewal = setInterval(() => appCertificates.renew(), renewalIntervalMs);

  const close = async (): Promise<void> => {
    clearInterval(review);
    clearInterval(renewal);
    listener.stop();
    const ended = listener.destroyConnections();
    http2.close();
    http1.close();
    gateway.upstreams.close();
    await ended;
    // Who records these flows may stop only when each has come to its end, also one whose token is still being verified.
    await within(longestEndMs, record.settled());
  };

  return {
    listen: () => listener.listen(),
    applyEntries(entries) {
      follower.apply(entries);
      takeOver(concernOf(entries));
    },
    replaceState(snapshot) {
      follower = createStateFollower(snapshot);
      takeOver('everything');
    },
    askPosture(device) {
      for (const connection of grants.connectionsOf(device)) connection.askPosture?.();
    },
    setCertificate(certificatePem, keyPem) {
      const { certificatePem: chain } = withRoot({ certificatePem, keyPem }, ports.rootPem);
      listener.setCertificate(chain, keyPem);
    },
    setAssertionKey: (kid, privateKeyPem) => gateway.assertions.setKey(kid, privateKeyPem),
    async drain() {
      if (isDraining) return;
      isDraining = true;
      listener.stop();
      http2.drain();
      http1.drain();
      await within(settings.limits.drainTimeoutMs, record.settled());
      // What was just answered is on its way out.
      await wait(lastAnswerMs);
      await close();
    },
    close,
    counters: () => ({
      sequence: state().head.sequence,
      connections: listener.connections,
      flowsOpen: grants.size,
      requestsTotal: record.requests,
      refusalsTotal: record.refusals,
    }),
  };
}

const asksFor = (inspector: 'waf' | 'dlp', { apps }: ControlState): boolean => {
  for (const { inspect } of apps.values()) if (inspect?.includes(inspector) === true) return true;
  return false;
};

/** Waits for something, but no longer than this. */
async function within(milliseconds: number, something: Promise<void>): Promise<void> {
  const enough = new AbortController();
  await Promise.race([something, wait(milliseconds, undefined, { signal: enough.signal })]);
  enough.abort();
}

const hasSessionKey = ({ signingKeys }: ControlState): boolean => {
  for (const { use } of signingKeys.values()) if (use === 'session') return true;
  return false;
};

const withRoot = (
  { certificatePem, keyPem }: { certificatePem: string; keyPem: string },
  rootPem: string,
): { certificatePem: string; keyPem: string } => ({
  certificatePem: certificatePem.includes(rootPem.trim())
    ? certificatePem
    : `${certificatePem.trimEnd()}\n${rootPem}`,
  keyPem,
});

function findHttpApp({ apps }: ControlState, gateway: Gateway, host: string) {
  if (!gateway.apps.hasHost(host)) return undefined;
  for (const app of apps.values()) if (app.host === host && app.protocol === 'http') return app;
  return undefined;
}

/** Flows of some devices, all flows, or these and where they lead. */
type Concerned = ReadonlySet<DeviceId> | 'flows' | 'everything';

/** Most of what happens concerns one device, and looking at every flow for it would make a revocation slow. */
function concernOf(entries: readonly LedgerEntry[]): Concerned {
  const devices = new Set<DeviceId>();
  let concernsEveryFlow = false;
  for (const { data } of entries) {
    const event = parseEvent(data);
    switch (event.type) {
      case 'device-state-changed':
      case 'device-certificate-renewed':
      case 'device-enrolled':
      case 'device-posture-accepted':
      case 'device-bundle-made':
        devices.add(event.device);
        break;
      case 'enrollment-token-created':
      case 'enrollment-token-withdrawn':
      case 'api-key-created':
      case 'api-key-revoked':
      case 'key-published':
      case 'person-erased':
        break;
      case 'sign-in-ended':
        // On which devices it was is known only to the flows themselves.
        concernsEveryFlow = true;
        break;
      default:
        return 'everything';
    }
  }
  return concernsEveryFlow ? 'flows' : devices;
}
