import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import type { FastifyBaseLogger } from 'fastify';
import packageFile from '../../package.json' with { type: 'json' };
import { createTrustAnchor } from '../../certs/trust-anchor.ts';
import { dataDirectory } from '../contract/data-directory.ts';
import { flowClasses } from '../domain/flow.ts';
import type { DeviceId } from '../domain/ids.ts';
import type { ClockOffset, ControlMessage, SupervisorToControl } from '../contract/ipc.ts';
import type { Settings } from '../contract/settings.ts';
import type { SinkHealth } from '../contract/sinks.ts';
import { keyUses } from '../identity/signing-keys.ts';
import { authoritySigner } from '../enrollment/authority-signer.ts';
import { createAnswerMemory } from './api/answer-memory.ts';
import { countLostEntries } from '../ledger/replica/lost-entries.ts';
import { everyGateway, portsOf } from './every-gateway.ts';
import { loadAuthorities } from './keys/authorities.ts';
import { createExplainer } from './explainer.ts';
import type { ControlParts } from './api/control-parts.ts';
import { searchedSinks } from '../flow/search/flow-places.ts';
import { createServerSearcher } from '../flow/search/server-searcher.ts';
import { resolveSinks } from '../flow/sinks/resolve-sinks.ts';
import { gatewaysOf } from './gateways-of.ts';
import { listenApi } from './api/listen-api.ts';
import { countedAtOnce, defaultRateLimits } from './api/rate-limits.ts';
import { installationOf, renderMetrics } from './metrics.ts';
import { createNetworkAnnouncer } from './workers/network-announcer.ts';
import { checkDataDirectory, dataPathOf } from './store/open-data-directory.ts';
import { openStore } from './store/open-store.ts';
import { listenOperator } from './operator-server.ts';
import { createLostDeviceWatch } from './devices/lost-devices.ts';
import { createSharedAnswers } from './api/shared-answers.ts';
import { createFailureLimit } from './failure-limit.ts';
import { openFleeting } from './fleeting/open-fleeting.ts';
import { createManagedDevices } from './devices/managed-devices.ts';
import { openPeople } from './people/open-people.ts';
import { createPostureMemory } from './devices/posture-memory.ts';
import { openRegistrationAuthorities } from './devices/registration-authorities.ts';
import { createRevocationList } from './devices/revocation-list.ts';
import { measureClock } from './clock-offset.ts';
import { startHousekeeping, startRepeating } from './repeating.ts';
import { keepCertificate } from './keys/server-certificates.ts';
import { openServerRecords } from './records/server-records.ts';
import { openSigningKeyFiles } from './keys/signing-key-files.ts';
import { openSignIn } from './sign-in/open-sign-in.ts';
import type { SignInParts } from './sign-in/open-sign-in.ts';
import { createSigningKeys } from './keys/signing-keys.ts';
import { createWorkerDesk } from './workers/worker-desk.ts';
import { createWorkerFleet } from './workers/worker-fleet.ts';
import { readCoreRuleSet } from './workers/core-rule-set.ts';
import { chooseGatewayPort, describeWorkerStart, readUpstreamAuthorities } from './workers/worker-start.ts';

export interface ControlProcessOptions {
  readonly start: Extract<SupervisorToControl, { type: 'start' }>;
  readonly settings: Settings;
  readonly send: (message: ControlMessage) => void;
  /** Epoch milliseconds. */
  readonly clock: () => number;
  readonly logger: FastifyBaseLogger;
  /** How often keys, certificates and what has had its time are looked at. */
  readonly housekeepingMs?: number;
}

/** The running control process, but for its channel. */
export interface ControlProcess {
  receive(message: Exclude<SupervisorToControl, { type: 'start' | 'drain' }>): void;
  /** Lets requests in flight end, leaves a snapshot of the state, and closes everything. */
  close(): Promise<void>;
}

const usualHousekeepingMs = 600_000;
const announceMs = 15_000;
const measureClockMs = 60_000;
const enforcementTimeoutMs = 2000;
const defaultGraceDays = 30;

/**
 * Opens the data directory, keys and ledger, answers workers, and listens. With the embedded store, the role `gateway`
 * is this without the API: it follows the same file. @throws what cannot be served from, with a sentence that says why.
 */
export async function runControl(options: ControlProcessOptions): Promise<ControlProcess> {
  const { start, settings, send, clock, logger, housekeepingMs = usualHousekeepingMs } = options;
  const hasApi = start.role !== 'gateway';
  const hasWorkers = start.role !== 'control';
  const now = (): number => Math.floor(clock() / 1000);

  const data = dataPathOf(start.configFile, settings.data);
  checkDataDirectory(data);
  const authorities = await loadAuthorities(data, start.passphrase, settings.managedDevices === true);
  const deviceTrustAnchorPem = await createTrustAnchor(authorities.device);
  const { store, recent, health } = await openStore(settings, start.configFile, clock, logger);
  const closing: (() => Promise<void> | void)[] = [() => store.close()];
  const close = async (): Promise<void> => {
    for (const step of closing.splice(0).reverse()) await step();
  };

  try {
    const explainer = createExplainer(store.state);

    // Before what tells workers of changes: a key may change hands while this starts.
    const fleet = createWorkerFleet();
    const readyWorkers = new Set<number>();
    const goneWorkers = new Set<number>();
    let signIn: SignInParts | undefined;
    let clockOffset: ClockOffset = { offsetMs: null, against: null };
    const desk = createWorkerDesk({
      browsers: () => signIn?.browsers,
      store,
      recent,
      fleet,
      service: authorities.service,
      startOf: () =>
        describeWorkerStart({
          settings,
          data,
          gatewayPort,
          bootId: start.bootId,
          flowDirectory,
          authorities,
          deviceTrustAnchorPem,
          gatewayCertificate,
          keys,
          upstreamAuthoritiesPem,
          coreRuleSet,
          clock: clockOffset,
        }),
      send: (worker, message) => send({ type: 'for-worker', worker, message }),
      clock,
      logger,
    });

    const isShared = settings.ledger !== undefined && 'redis' in settings.ledger;
    const keys = createSigningKeys({
      store,
      files: openSigningKeyFiles(data, start.passphrase),
      // A gateway signs assertions to applications, and no token.
      uses: hasApi ? keyUses : ['assertion'],
      isShared,
      logger,
      onChange: (use, { kid, privateKeyPem }) => {
        if (use === 'assertion') desk.broadcast({ type: 'assertion-key', kid, privateKeyPem });
      },
    });
    await (hasApi || isShared ? keys.rotate(now()) : keys.refresh(now()));
    const authority = { authority: authorities.service, rootPem: authorities.rootPem, now: now() };
    const gatewayCertificate = await keepCertificate({
      ...authority,
      profile: 'gateway',
      names: [settings.gateway.name],
      onRenewed: ({ chainPem, keyPem }) =>
        desk.broadcast({ type: 'gateway-certificate', certificatePem: chainPem, keyPem }),
    });
    const policyCertificate = await keepCertificate({
      ...authority,
      profile: 'policy',
      names: [settings.domain],
      onRenewed: () => undefined,
    });
    const gatewayPort = hasWorkers
      ? await chooseGatewayPort(settings, start.gatewayPort)
      : settings.gateway.port;
    const upstreamAuthoritiesPem = await readUpstreamAuthorities(settings, data);
    const coreRuleSet = await readCoreRuleSet(settings, data);
    const flowDirectory = join(data, dataDirectory.flows);

    const announceNetworks = createNetworkAnnouncer(store.state, hasWorkers ? send : () => undefined);
    announceNetworks();
    closing.push(
      store.onEntries((entries) => {
        explainer.outdate();
        // What may be dialled first: a worker that knows a new app may have a flow for it at once.
        announceNetworks();
        desk.fanOut(entries);
        keys.refresh(now()).catch((error: unknown) => logger.error({ err: error }, 'signing key not read'));
      }),
    );

    closing.push(
      store.onReplaced(() => {
        explainer.outdate();
        announceNetworks();
        desk.replaceStates();
        keys.refresh(now()).catch((error: unknown) => logger.error({ err: error }, 'signing key not read'));
      }),
    );

    const gatewayAddresses = (): readonly string[] =>
      settings.gateway.addresses.map((address) => address.replace(/:0$/, `:${gatewayPort}`));
    const fleeting = openFleeting(settings, start.configFile, clock);
    closing.push(() => fleeting.close());
    const postureRequests = fleeting.signals('posture-requests');
    if (hasWorkers)
      closing.push(
        postureRequests.listen((device) =>
          desk.broadcast({ type: 'ask-posture', device: device as DeviceId }),
        ),
      );
    const people = openPeople(settings, {
      configFile: start.configFile,
      data,
      deviceAuthorityKeyPem: authorities.device.privateKeyPem,
    });
    const forgetErased = async (): Promise<void> => {
      const { erasedPeople } = store.state;
      // One that a backup brought back, or that another server's end of the ledger has been told of.
      if (erasedPeople.size > 0) await people?.destroy(new Set(erasedPeople.keys()));
    };
    if (people !== undefined) {
      closing.push(() => people.close());
      forgetErased().catch((error: unknown) => logger.error({ err: error }, 'erased people not forgotten'));
    }
    // Also without the API: workers ask for the sessions of browsers.
    signIn = await openSignIn({
      settings: settings.signIn,
      data,
      deviceAuthorityKeyPem: authorities.device.privateKeyPem,
      state: () => store.state,
      fleeting,
      // Whichever gateway sent a browser here, it goes back to that one.
      gatewayPorts: () => portsOf(everyGateway(gatewayAddresses(), settings.gateway)),
      sessionKey: () => keys.current('session'),
      isLedgerAway: () => health.isAway(),
      pseudonymOf: async (user) => await people?.pseudonym(user, clock()),
      clock,
      onClose: (step) => closing.push(step),
    });
    const { managed } = authorities;
    const scep =
      hasApi && managed !== undefined && settings.scep === true
        ? {
            registrations: await openRegistrationAuthorities({
              directory: data,
              passphrase: start.passphrase,
              authority: managed,
              domain: store.state.domain,
              shared: fleeting.of('scep-registration', { maxEntries: 1 }),
              now: now(),
              logger,
            }),
            renewals: fleeting.of('scep-renewal', { maxEntries: 100_000 }),
          }
        : undefined;
    let operatorPort = start.operatorPort ?? settings.operator.port;
    const parts: Omit<ControlParts, 'accessLog' | 'flows'> = {
      store,
      gateway: {
        ...settings.gateway,
        addresses: gatewayAddresses,
      },
      reservedHosts: [
        settings.gateway.name,
        ...(settings.gateway.others ?? []).flatMap(({ name }) => name ?? []),
        ...settings.control.names,
      ],
      signer: authoritySigner(authorities.device, store.state.domain, {
        ...(settings.revocationList === undefined ? {} : { revocationListUrl: settings.revocationList.url }),
      }),
      revocationList: createRevocationList({
        authority: authorities.device,
        state: () => store.state,
        now,
      }),
      rootPem: authorities.rootPem,
      deviceAuthorityPem: authorities.device.certificatePem,
      managed:
        managed === undefined
          ? undefined
          : createManagedDevices({
              authority: managed,
              state: () => store.state,
              now,
              scep,
            }),
      graceSeconds: (settings.renewal?.graceDays ?? defaultGraceDays) * 86_400,
      sessionKey: () => keys.current('session'),
      policySigner: () => policyCertificate.current,
      fleet,
      postureRequests,
      postures: createPostureMemory(fleeting.of('posture', { maxEntries: 50_000 })),
      failures: {
        enrollment: createFailureLimit(fleeting.of('enrollment-failures', { maxEntries: 10_000 })),
        scep: createFailureLimit(fleeting.of('scep-failures', { maxEntries: 10_000 })),
        logout: createFailureLimit(fleeting.of('logout-failures', { maxEntries: 10_000 })),
        administratorSignIn: createFailureLimit(fleeting.of('sign-in-failures', { maxEntries: 10_000 })),
      },
      lostDevices: createLostDeviceWatch(),
      signIn,
      engine: explainer,
      answers: fleeting.isShared
        ? createSharedAnswers(fleeting.of('answer', { maxEntries: 1000 }))
        : createAnswerMemory(),
      people,
      gateways: () => gatewaysOf(settings, operatorPort),
      rateLimits: settings.control.rateLimits ?? defaultRateLimits,
      requestCounts: fleeting.of('requests', countedAtOnce),
      isLedgerAway: () => health.isAway(),
      clock,
      approvals: settings.changes?.approvals ?? 1,
      enforcementTimeoutMs,
    };
    const port = start.controlPort ?? settings.control.port;
    const records = await openServerRecords({
      data,
      settings,
      bootId: start.bootId,
      passphrase: start.passphrase,
      hasWorkers,
      hasApi,
      store,
      lifeOfWorker: (worker) =>
        goneWorkers.has(worker) ? 'gone' : fleet.workers.has(worker) ? 'live' : 'unknown',
      nameOf: async (user, at) => (await people?.pseudonym(user, at)) ?? user,
      onClose: (step) => closing.push(step),
      clock,
      logger,
    });
    const { accessLog } = records;
    const flows = createServerSearcher({
      data,
      sinks: resolveSinks(searchedSinks(settings.sinks), dirname(start.configFile)),
      isApart: settings.runAs !== undefined,
      ...(settings.runAs === undefined || process.getuid?.() !== 0 ? {} : { runAs: settings.runAs }),
    });
    closing.push(() => flows.close());
    const api =
      accessLog === undefined
        ? undefined
        : await listenApi(
            { ...parts, accessLog, flows },
            {
              settings,
              port,
              clientAuthorityPems: [
                deviceTrustAnchorPem,
                ...(authorities.managed === undefined ? [] : [authorities.managed.certificatePem]),
              ],
              authority,
              logger,
            },
          );
    if (api !== undefined) closing.push(() => api.close());

    let isDraining = false;
    let sinks: readonly SinkHealth[] = [];
    // A gateway whose store is away passes flows by what it knows; were it taken out, so would be all at once.
    const passesFlowsWithout = hasWorkers && isShared;
    // Where the settings let every flow pass without a record, nobody is sent away for want of room.
    const needsRoom = flowClasses.some((name) => settings.flows?.dropAtBound.includes(name) !== true);
    const isFull = (): boolean =>
      needsRoom && [...desk.counters.values()].some(({ records }) => records.isFull);
    const notReady = (): string[] => [
      ...health
        .troubles()
        .filter((trouble) => trouble === 'ledger corrupt' || (trouble === 'ledger' && !passesFlowsWithout)),
      ...(store.state.domain === '' ? ['organization'] : []),
      ...(accessLog?.healthy() === false ? ['access log'] : []),
      ...(isFull() ? ['room for flow records'] : []),
      ...(hasWorkers && readyWorkers.size === 0 ? ['workers'] : []),
      ...(isDraining ? ['draining'] : []),
    ];
    const metrics = (): string =>
      renderMetrics({
        state: store.state,
        installation: installationOf(authorities.rootPem),
        counters: desk.counters,
        sinks,
        lostDeviceAttempts: parts.lostDevices.attempts,
        ready: notReady().length === 0,
        ledger: {
          isAway: health.isAway(),
          recoveries: health.recoveries,
          lostFiles: countLostEntries(join(data, dataDirectory.lostEntries)),
        },
        residentBytes: process.memoryUsage.rss(),
      });
    const operator = await listenOperator(
      { notReady, troubles: () => health.troubles(), sinks: () => sinks, metrics },
      { host: settings.operator.listen, port: operatorPort },
    );
    operatorPort = operator.port;
    closing.push(() => operator.close());

    const keepHouse = async (): Promise<void> => {
      if (hasApi || isShared) await keys.rotate(now());
      await gatewayCertificate.renewIfDue(now());
      await policyCertificate.renewIfDue(now());
      await api?.certificate.renewIfDue(now());
      await scep?.registrations.renewIfDue(now());
      await records.retire(clock());
      await forgetErased();
      await people?.forgetMonths(clock() - records.longestKeptMs);
    };
    closing.push(
      startHousekeeping(keepHouse, {
        everyMs: housekeepingMs,
        onFailure: (error) => logger.error({ err: error }, 'housekeeping failed'),
      }),
      () => {
        isDraining = true;
      },
    );

    const announce = (): void => {
      fleeting
        .announce({
          id: `${hostname()} ${data}`,
          name: hostname(),
          gateway: settings.gateway.name,
          role: start.role,
          version: packageFile.version,
          clockMs: clock(),
        })
        .catch((error: unknown) => logger.debug({ err: error }, 'other servers not told of this one'));
    };
    closing.push(startRepeating(announce, announceMs));

    const tellClock = async (): Promise<void> => {
      clockOffset = await measureClock(settings, start.configFile);
      desk.broadcast({ type: 'clock', clock: clockOffset });
    };
    if (hasWorkers) {
      const tell = (): void =>
        void tellClock().catch((error: unknown) => logger.debug({ err: error }, 'clock not measured'));
      closing.push(startRepeating(tell, measureClockMs));
    }

    const listening = { controlPort: api?.port, operatorPort: operator.port };
    send({ type: 'ready', ...listening });
    const { sequence } = store.state.head;
    logger.info({ role: start.role, ...listening, sequence }, 'control process ready');

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
            goneWorkers.add(message.worker);
            desk.gone(message.worker);
            return;
          case 'sink-health':
            sinks = message.sinks;
            desk.broadcast({ type: 'sink-health', sinks });
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
