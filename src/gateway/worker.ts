import { readFileSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { pino } from 'pino';
import type {
  ClockOffset,
  ControlToWorker,
  SupervisorToWorker,
  WorkerMessage,
  WorkerStart,
  WorkerToControl,
} from '../contract/ipc.ts';
import type { SinkHealth } from '../contract/sinks.ts';
import { createFlowRecorder, heartbeatMs } from '../flow/recorder.ts';
import type { SpoolingFlowRecorder } from '../flow/recorder.ts';
import { warmCedar } from '../policy/cedar.ts';
import { createPolicyEngine } from '../policy/engine.ts';
import { createIpcDialer } from '../routing/ipc-dialer.ts';
import type { IpcDialer } from '../routing/ipc-dialer.ts';
import { buildGateway } from './build-gateway.ts';
import type { RunningGateway } from './build-gateway.ts';
import { createBrowserSessions } from './browser-sessions.ts';
import { createCertifier } from './listener/certifier.ts';
import { createDataLossScanner } from './data-loss/data-loss-scanner.ts';
import { createMalwareScanner } from './malware/create-malware-scanner.ts';
import { createWaf } from './waf/waf.ts';

/**
 * The worker process. It has no route inwards and no authority's key, and opens no file but its flow records: all it
 * works with comes over the channel to the supervisor, and when that is gone, so is the worker.
 */
interface Running {
  readonly gateway: RunningGateway;
  readonly dialer: IpcDialer;
  readonly recorder: SpoolingFlowRecorder;
}

// V8 puts objects that outlive a moment of load straight into the old space from then on, and what they point to, all of
// a request, is then kept until the next full collection: a quarter of what was allocated, a fifth of the time.
setFlagsFromString('--no-allocation-site-pretenuring');

const countersEveryMs = 2000;
const usualFreeBytes = 256 * 1024 * 1024;
let running: Running | undefined;
/** As the control process measured it last. */
let clock: ClockOffset = { offsetMs: null, against: null };
let sinks: readonly SinkHealth[] = [];
let log = pino({ base: { process: 'worker' } }, pino.destination({ fd: 2, sync: true }));

const send = (message: WorkerMessage): void => {
  if (process.connected) process.send?.(message);
};
const tellControl = (message: WorkerToControl): void => send({ type: 'for-control', message });
const certifier = createCertifier(tellControl);
const browserSessions = createBrowserSessions(tellControl);

const productVersion = (): string => {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
};

async function start(message: WorkerStart): Promise<void> {
  const { settings, snapshot, workerNumber, bootId } = message;
  ({ clock } = message);
  log = pino(
    { level: settings.log.level, base: { process: 'worker', worker: workerNumber } },
    pino.destination({ fd: 2, sync: true }),
  );
  const recorder = createFlowRecorder({
    directory: message.flowDirectory,
    gateway: settings.gateway.name,
    domain: settings.domain,
    bootId,
    worker: workerNumber,
    productVersion: productVersion(),
    bounds: {
      maxBytes: settings.flows?.maxBytes,
      minFreeBytes: settings.flows?.minFreeBytes ?? usualFreeBytes,
    },
    dropAtBound: settings.flows?.dropAtBound ?? [],
    onFailure: (error) => log.error({ err: error }, 'flow records not written'),
  });
  const dialer = createIpcDialer({ send, timeoutMs: settings.limits.dialTimeoutMs });
  warmCedar();
  const gateway = buildGateway({
    settings,
    snapshot,
    certificate: { certificatePem: message.gatewayCertificatePem, keyPem: message.gatewayKeyPem },
    deviceAuthorityPem: message.deviceAuthorityPem,
    managedAuthorityPem: message.managedAuthorityPem,
    rootPem: message.rootPem,
    assertionKey: message.assertionKey,
    engine: createPolicyEngine(),
    dialer,
    recorder,
    certifyApp: (app, csr) => certifier.certify(app, csr),
    openBrowserSession: (proof) => browserSessions.open(proof),
    ...(message.upstreamAuthoritiesPem === undefined
      ? {}
      : { upstreamAuthoritiesPem: message.upstreamAuthoritiesPem }),
    waf: createWaf({
      coreRuleSet: message.coreRuleSet,
      timeoutMs: settings.inspection?.timeoutMs ?? 0,
      log,
    }),
    malwareScanner: createMalwareScanner(settings.inspection?.malware),
    dataLossScanner:
      settings.inspection?.dataLoss &&
      createDataLossScanner({ timeoutMs: settings.inspection.dataLoss.timeoutMs, log }),
    clock: Date.now,
    log,
    reusePort: true,
  });
  running = { gateway, dialer, recorder };
  const port = await gateway.listen();
  tellControl({ type: 'applied', sequence: gateway.counters().sequence });
  send({ type: 'ready', port });
  setInterval(() => {
    tellControl({
      type: 'counters',
      counters: {
        ...gateway.counters(),
        recordsWritten: recorder.written(),
        records: recorder.room,
        residentBytes: process.memoryUsage.rss(),
      },
    });
  }, countersEveryMs).unref();
  recorder.heartbeat(clock, sinks);
  setInterval(() => recorder.heartbeat(clock, sinks), heartbeatMs).unref();
  log.info({ port, sequence: gateway.counters().sequence }, 'worker accepts connections');
}

/** The control process was started again: its state takes the place of ours, connections and listener stay. */
function startAgain({ gateway }: Running, message: WorkerStart): void {
  gateway.replaceState(message.snapshot);
  gateway.setCertificate(message.gatewayCertificatePem, message.gatewayKeyPem);
  gateway.setAssertionKey(message.assertionKey.kid, message.assertionKey.privateKeyPem);
  certifier.askAgain();
  browserSessions.askAgain();
  tellControl({ type: 'applied', sequence: gateway.counters().sequence });
}

function fromControl(message: ControlToWorker): void {
  if (message.type === 'app-certificate') return certifier.certified(message.id, message.certificatePem);
  if (message.type === 'app-certificate-refused') return certifier.refused(message.id, message.detail);
  if (message.type === 'browser-session' || message.type === 'browser-session-refused')
    return browserSessions.answered(message);
  if (message.type === 'start') {
    if (running === undefined) start(message.start).catch(fail);
    else startAgain(running, message.start);
    return;
  }
  if (running === undefined) return;
  const { gateway } = running;
  switch (message.type) {
    case 'ledger':
      // A gap or an altered entry throws: a worker that does not know any more what was revoked must not go on.
      gateway.applyEntries(message.entries);
      tellControl({ type: 'applied', sequence: gateway.counters().sequence });
      return;
    case 'ask-posture':
      return gateway.askPosture(message.device);
    case 'gateway-certificate':
      return gateway.setCertificate(message.certificatePem, message.keyPem);
    case 'clock':
      clock = message.clock;
      return;
    case 'sink-health':
      sinks = message.sinks;
      return;
    case 'assertion-key':
      return gateway.setAssertionKey(message.kid, message.privateKeyPem);
  }
}

/** Nothing that a peer does may come here; the supervisor starts another worker. */
function fail(error: unknown): never {
  log.error({ err: error }, 'worker failed');
  process.exit(1);
}

async function drain(): Promise<never> {
  await running?.gateway.drain();
  running?.recorder.close();
  process.exit(0);
}

process.on('uncaughtException', fail);
process.on('unhandledRejection', fail);
process.on('message', (message: SupervisorToWorker, handle: unknown) => {
  if (message.type === 'from-control') fromControl(message.message);
  else if (message.type === 'drain') drain().catch(fail);
  else running?.dialer.receive(message, handle);
});
process.once('disconnect', () => {
  const stop = async (): Promise<never> => {
    await running?.gateway.close();
    running?.recorder.close();
    process.exit(1);
  };
  stop().catch(fail);
});
// The terminal's Ctrl-C reaches every process of the group; the supervisor says when to drain.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => undefined);
tellControl({ type: 'hello' });
