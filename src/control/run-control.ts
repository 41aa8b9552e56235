import { chown, mkdir } from 'node:fs/promises';
import { once } from 'node:events';
import type { Server } from 'node:net';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { FastifyBaseLogger } from 'fastify';
import { createTrustAnchor } from '../../certs/trust-anchor.ts';
import { dataDirectory } from '../contract/data-directory.ts';
import type { ControlMessage, SupervisorToControl, WorkerStart } from '../contract/ipc.ts';
import type { Settings } from '../contract/settings.ts';
import { authoritySigner } from '../enrollment/authority-signer.ts';
import { openLedgerStore } from '../ledger/store.ts';
import type { LedgerStore } from '../ledger/store.ts';
import { openSqliteLedger } from '../ledger/sqlite/sqlite-ledger.ts';
import { createPolicyEngine } from '../policy/engine.ts';
import { registrations } from '../routing/registrations.ts';
import { loadAuthorities } from './authorities.ts';
import { buildControl } from './build-control.ts';
import { limitConnections } from './connection-limit.ts';
import type { ControlApp, ControlParts } from './control-parts.ts';
import { findFreePort } from './free-port.ts';
import { renderMetrics } from './metrics.ts';
import { checkDataDirectory, dataPathOf } from './open-data-directory.ts';
import { createOperatorServer } from './operator-server.ts';
import { createPostureMemory } from './posture-memory.ts';
import { keepCertificate } from './server-certificates.ts';
import { openSigningKeyFiles } from './signing-key-files.ts';
import { createSigningKeys } from './signing-keys.ts';
import { controlTlsOptions } from './tls-options.ts';
import { createWorkerDesk } from './worker-desk.ts';
import { createWorkerFleet } from './worker-fleet.ts';

export interface ControlProcessOptions {
  readonly start: Extract<SupervisorToControl, { type: 'start' }>;
  readonly settings: Settings;
  readonly send: (message: ControlMessage) => void;
  /** Epoch milliseconds. */
  readonly clock: () => number;
  readonly logger: FastifyBaseLogger;
  /** How often certificates and signing keys are looked at. */
  readonly housekeepingMs?: number;
}

/** The ledger counts as away until nothing was heard of trouble for this long. */
const ledgerTroubleMs = 5000;

/** The running control process, but for its channel. */
export interface ControlProcess {
  receive(message: Exclude<SupervisorToControl, { type: 'start' | 'drain' }>): void;
  /** Lets requests in flight end, leaves a snapshot of the state, and closes everything. */
  close(): Promise<void>;
}

/**
 * Opens the data directory, keys and ledger, answers workers, and listens. With the embedded store, the role `gateway`
 * is this without the API: it follows the same file. @throws what cannot be served from, with a sentence that says why.
 */
export async function runControl(options: ControlProcessOptions): Promise<ControlProcess> {
  const { start, settings, send, clock, logger } = options;
  const { role, passphrase } = start;
  const hasApi = role !== 'gateway';
  const hasWorkers = role !== 'control';
  const now = (): number => Math.floor(clock() / 1000);

  const data = dataPathOf(start.configFile, settings.data);
  checkDataDirectory(data);
  const authorities = await loadAuthorities(data, passphrase);
  const deviceTrustAnchorPem = await createTrustAnchor(authorities.device);
  const troubles = new Set<string>();
  let unavailableAt = Number.NEGATIVE_INFINITY;
  const store = await openLedgerStore(openSqliteLedger(join(data, dataDirectory.ledger)), {
    snapshotPath: join(data, `${dataDirectory.ledger}.snapshot`),
    onProblem: (problem, error) => {
      if (problem === 'ledger-corrupt') troubles.add('ledger corrupt');
      // Said again every second for as long as it lasts.
      if (problem === 'ledger-unavailable') unavailableAt = clock();
      logger[problem === 'snapshot-not-used' ? 'warn' : 'error']({ problem, err: error }, 'ledger trouble');
    },
  });
  const closing: (() => Promise<void> | void)[] = [() => store.close()];
  const close = async (): Promise<void> => {
    for (const step of closing.splice(0).reverse()) await step();
  };

  try {
    const engine = createPolicyEngine();
    engine.load(store.state);

    const keys = createSigningKeys({
      store,
      files: openSigningKeyFiles(data, passphrase),
      logger,
      onChange: (use, { kid, privateKeyPem }) => {
        if (use === 'assertion') desk.broadcast({ type: 'assertion-key', kid, privateKeyPem });
      },
    });
    await (hasApi ? keys.rotate(now()) : keys.refresh());

    const kept = { authority: authorities.service, rootPem: authorities.rootPem, now: now() };
    const gatewayCertificate = await keepCertificate({
      ...kept,
      profile: 'gateway',
      names: [settings.gateway.name],
      onRenewed: ({ chainPem, keyPem }) =>
        desk.broadcast({ type: 'gateway-certificate', certificatePem: chainPem, keyPem }),
    });

    const gatewayPort = start.gatewayPort ?? (await chooseGatewayPort(settings, hasWorkers));
    const workerSettings: Settings = {
      ...settings,
      data,
      gateway: { ...settings.gateway, port: gatewayPort },
    };
    const flowDirectory = join(data, dataDirectory.flows);
    await mkdir(flowDirectory, { recursive: true, mode: 0o700 });
    // Workers write there and nowhere else. Only root can run them as another user, and only root gives files away.
    if (hasWorkers && settings.runAs !== undefined && process.getuid?.() === 0)
      await chown(flowDirectory, settings.runAs.uid, settings.runAs.gid);
    const startOf = (): Omit<WorkerStart, 'workerNumber' | 'snapshot'> => {
      const { kid, privateKeyPem } = keys.current('assertion');
      return {
        settings: workerSettings,
        bootId: start.bootId,
        flowDirectory,
        rootPem: authorities.rootPem,
        deviceAuthorityPem: deviceTrustAnchorPem,
        serviceAuthorityPem: authorities.service.certificatePem,
        gatewayCertificatePem: gatewayCertificate.current.chainPem,
        gatewayKeyPem: gatewayCertificate.current.keyPem,
        assertionKey: { kid, privateKeyPem },
      };
    };
    const fleet = createWorkerFleet();
    const readyWorkers = new Set<number>();
    const desk = createWorkerDesk({
      store,
      fleet,
      service: authorities.service,
      startOf,
      send: (worker, message) => send({ type: 'for-worker', worker, message }),
      clock,
      logger,
    });

    const announceNetworks = createNetworkAnnouncer(store, hasWorkers ? send : () => undefined);
    announceNetworks();
    closing.push(
      store.onEntries((entries) => {
        engine.load(store.state);
        // What may be dialled first: a worker that knows a new app may have a flow for it at once.
        announceNetworks();
        desk.fanOut(entries);
        keys.refresh().catch((error: unknown) => logger.error({ err: error }, 'signing key not read'));
      }),
    );

    const parts: ControlParts = {
      store,
      gateway: {
        name: settings.gateway.name,
        addresses: () =>
          settings.gateway.addresses.map((address) => address.replace(/:0$/, `:${gatewayPort}`)),
      },
      reservedHosts: [settings.gateway.name, ...settings.control.names],
      signer: authoritySigner(authorities.device, store.state.domain),
      rootPem: authorities.rootPem,
      sessionKey: () => keys.current('session'),
      fleet,
      postures: createPostureMemory(),
      engine,
      clock,
      enforcementTimeoutMs: 2000,
    };
    const api = hasApi
      ? await listenApi(
          parts,
          settings,
          start.controlPort ?? settings.control.port,
          deviceTrustAnchorPem,
          kept,
          logger,
        )
      : undefined;
    if (api !== undefined) closing.push(() => api.app.close());

    const notReady = (): string[] => [
      ...troubles,
      ...(clock() - unavailableAt < ledgerTroubleMs ? ['ledger'] : []),
      ...(store.state.domain === '' ? ['organization'] : []),
      ...(hasWorkers && readyWorkers.size === 0 ? ['workers'] : []),
    ];
    const operator = createOperatorServer({
      notReady,
      metrics: () =>
        renderMetrics({
          state: store.state,
          counters: desk.counters,
          ready: notReady().length === 0,
          residentBytes: process.memoryUsage.rss(),
        }),
    });
    const operatorPort = await listen(
      operator,
      settings.operator.listen,
      start.operatorPort ?? settings.operator.port,
    );
    closing.push(() => closeServer(operator));

    const keepHouse = async (): Promise<void> => {
      if (hasApi) await keys.rotate(now());
      await gatewayCertificate.renewIfDue(now());
      await api?.certificate.renewIfDue(now());
    };
    const timer = setInterval(() => {
      keepHouse().catch((error: unknown) => logger.error({ err: error }, 'housekeeping failed'));
    }, options.housekeepingMs ?? 600_000);
    closing.push(() => clearInterval(timer));
    closing.push(() => void troubles.add('draining'));

    send({ type: 'ready', controlPort: api?.port, operatorPort });
    logger.info(
      { role, controlPort: api?.port, operatorPort, sequence: store.state.head.sequence },
      'control process ready',
    );

    return {
      receive(message) {
        switch (message.type) {
          case 'from-worker':
            desk.receive(message.worker, message.message).catch((error: unknown) => {
              logger.error({ err: error, worker: message.worker }, 'worker not answered');
            });
            return;
          case 'worker-ready':
            readyWorkers.add(message.worker);
            return;
          case 'worker-gone':
            readyWorkers.delete(message.worker);
            desk.gone(message.worker);
            return;
        }
      },
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

async function chooseGatewayPort(settings: Settings, hasWorkers: boolean): Promise<number> {
  const { port, listen: host } = settings.gateway;
  return port === 0 && hasWorkers ? findFreePort(host) : port;
}

/** Tells the supervisor what may be dialled, when that has changed. */
function createNetworkAnnouncer(
  store: Pick<LedgerStore, 'state'>,
  send: (message: ControlMessage) => void,
): () => void {
  let announced: string | undefined;
  return () => {
    const networks = registrations(store.state);
    const text = JSON.stringify(networks);
    if (text === announced) return;
    announced = text;
    send({ type: 'networks', networks });
  };
}

async function listenApi(
  parts: ControlParts,
  settings: Settings,
  port: number,
  deviceTrustAnchorPem: string,
  kept: Pick<Parameters<typeof keepCertificate>[0], 'authority' | 'rootPem' | 'now'>,
  logger: FastifyBaseLogger,
): Promise<{ app: ControlApp; port: number; certificate: Awaited<ReturnType<typeof keepCertificate>> }> {
  const certificate = await keepCertificate({
    ...kept,
    profile: 'control',
    names: settings.control.names,
    onRenewed: (renewed) => server.setSecureContext(controlTlsOptions(renewed, deviceTrustAnchorPem)),
  });
  const app = await buildControl(parts, {
    tls: controlTlsOptions(certificate.current, deviceTrustAnchorPem),
    logger,
  });
  const server = app.server as unknown as import('node:https').Server;
  limitConnections(server, { perAddress: settings.limits.maxConnectionsPerAddress, total: 20_000 });
  // Scans and impatient clients; without a listener each would be an unhandled error of its socket.
  server.on('tlsClientError', (error) => logger.debug({ err: error }, 'handshake failed'));
  // A name would be listened to at each of its addresses by servers that get no renewed certificate.
  const host = settings.control.listen === 'localhost' ? '127.0.0.1' : settings.control.listen;
  await app.listen({ host, port, listenTextResolver: () => 'control plane listens' });
  return { app, port: (server.address() as AddressInfo).port, certificate };
}

async function listen(server: Server, host: string, port: number): Promise<number> {
  server.listen(port, host);
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

async function closeServer(server: import('node:http').Server): Promise<void> {
  const closed = once(server, 'close');
  server.close();
  server.closeAllConnections();
  await closed;
}
