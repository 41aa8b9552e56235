import { pino } from 'pino';
import { readFileSync } from 'node:fs';
import type {
  ControlToWorker,
  SupervisorToWorker,
  WorkerMessage,
  WorkerStart,
  WorkerToControl,
} from '../contract/ipc.ts';
import { createFlowRecorder } from '../flow/recorder.ts';
import { loadSigningKey } from '../identity/signing-key.ts';
import { createTokenVerifier } from '../identity/session-token.ts';
import { createStateFollower } from '../ledger/state-follower.ts';
import type { StateFollower } from '../ledger/state-follower.ts';
import { createPolicyEngine } from '../policy/engine.ts';
import { createIpcDialer } from '../routing/ipc-dialer.ts';
import type { IpcDialer } from '../routing/ipc-dialer.ts';
import { createAppCertificates } from './app-certificates.ts';
import { buildGateway } from './build-gateway.ts';
import type { Gateway } from './build-gateway.ts';

/**
 * The worker process. It has no route inwards, no key of an authority, and opens no file but its flow records: all it
 * works with comes over the channel to the supervisor, and when that is gone so is the worker.
 */
interface Running {
  readonly gateway: Gateway;
  readonly follower: StateFollower;
  readonly dialer: IpcDialer;
  readonly closeRecorder: () => void;
  assertionKey: ReturnType<typeof loadSigningKey>;
}

const countersEveryMs = 5000;
let running: Running | undefined;

const send = (message: WorkerMessage): void => {
  if (process.connected) process.send?.(message);
};
const tellControl = (message: WorkerToControl): void => send({ type: 'for-control', message });
const certificates = createAppCertificates(tellControl);

function productVersion(): string {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    version: string;
  };
  return version;
}

async function start(start: WorkerStart): Promise<void> {
  const { settings } = start;
  const log = pino(
    { level: settings.log.level, base: { worker: start.workerNumber } },
    pino.destination({ fd: 2, sync: false }),
  );
  const follower = createStateFollower(start.snapshot);
  const { state } = follower;
  const recorder = createFlowRecorder({
    directory: start.flowDirectory,
    gateway: settings.gateway.name,
    domain: settings.domain,
    bootId: start.bootId,
    worker: start.workerNumber,
    productVersion: productVersion(),
  });
  const dialer = createIpcDialer({ send, timeoutMs: settings.limits.dialTimeoutMs });
  const gateway = buildGateway({
    settings,
    state,
    engine: createPolicyEngine(),
    verifier: createTokenVerifier({ domain: settings.domain, keys: () => state.signingKeys }),
    dialer,
    recorder,
    clientAuthorityPem: start.deviceAuthorityPem,
    gatewayIdentity: { certificatePem: start.gatewayCertificatePem, privateKeyPem: start.gatewayKeyPem },
    identityOf: (app) => certificates.identityOf(app),
    assertionKey: () => {
      if (running === undefined) throw new TypeError('not started');
      return running.assertionKey;
    },
    upstreamAuthorities: [],
    now: Date.now,
    log,
  });
  running = {
    gateway,
    follower,
    dialer,
    closeRecorder: () => recorder.close(),
    assertionKey: loadSigningKey(start.assertionKey.kid, start.assertionKey.privateKeyPem),
  };
  const port = await gateway.listen(settings.gateway.port, { reusePort: true });
  tellControl({ type: 'applied', sequence: state.head.sequence });
  send({ type: 'ready', port });
  setInterval(() => tellControl({ type: 'counters', counters: gateway.counters() }), countersEveryMs).unref();
}

function fromControl(message: ControlToWorker): void {
  if (message.type === 'start') {
    // A control process that started again sends its state anew; what we have is as good, or is caught up with below.
    if (running === undefined) void start(message.start).catch(fatal);
    return;
  }
  if (message.type === 'app-certificate' || message.type === 'app-certificate-refused')
    return certificates.receive(message);
  if (running === undefined) return;
  switch (message.type) {
    case 'ledger':
      // A gap or an altered entry throws: a worker that no longer knows what was revoked must not go on.
      running.follower.apply(message.entries);
      running.gateway.changed();
      tellControl({ type: 'applied', sequence: running.follower.state.head.sequence });
      return;
    case 'assertion-key':
      running.assertionKey = loadSigningKey(message.kid, message.privateKeyPem);
      return;
    case 'gateway-certificate':
      running.gateway.replaceIdentity({
        certificatePem: message.certificatePem,
        privateKeyPem: message.keyPem,
      });
  }
}

function fatal(error: unknown): never {
  console.error(error);
  process.exit(1);
}

async function drain(): Promise<void> {
  await running?.gateway.drain();
  running?.closeRecorder();
  process.exit(0);
}

process.on('message', (message: SupervisorToWorker, handle: unknown) => {
  try {
    if (message.type === 'from-control') fromControl(message.message);
    else if (message.type === 'drain') void drain().catch(fatal);
    else running?.dialer.receive(message, handle);
  } catch (error) {
    fatal(error);
  }
});
process.on('disconnect', () => process.exit(1));
// The terminal's Ctrl-C reaches every process of the group; the supervisor says when to drain.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => undefined);
tellControl({ type: 'hello' });
