import type { FastifyBaseLogger } from 'fastify';
import { issueCertificate } from '../../../certs/authority.ts';
import type { AuthorityCertificate } from '../../../certs/authority.ts';
import { CertificateRequestError, parseRequest } from '../../../certs/request.ts';
import { refuse } from '../../contract/refusals.ts';
import { isRefusal } from '../api/refused.ts';
import type { BrowserSignIns } from '../sign-in/browser-sign-ins.ts';
import type {
  BrowserProof,
  ControlToWorker,
  WorkerCounters,
  WorkerStart,
  WorkerToControl,
} from '../../contract/ipc.ts';
import type { AppName } from '../../domain/ids.ts';
import type { LedgerEntry } from '../../domain/events.ts';
import { copyState } from '../../ledger/fold.ts';
import type { LedgerStore } from '../../ledger/store.ts';
import type { RecentEntries } from '../store/recent-entries.ts';
import type { TrackedFleet } from './worker-fleet.ts';

/** Where the control process answers its workers. */
export interface WorkerDesk {
  receive(worker: number, message: WorkerToControl): Promise<void>;
  /** Gives every worker that was started the whole state again, in the place of what it has. */
  replaceStates(): void;
  /** Sends a whole append to every worker that was started. */
  fanOut(entries: readonly LedgerEntry[]): void;
  /** To every worker that was started. */
  broadcast(message: ControlToWorker): void;
  gone(worker: number): void;
  /** What each worker last said of itself. */
  readonly counters: ReadonlyMap<number, WorkerCounters>;
}

export function createWorkerDesk(parts: {
  readonly store: Pick<LedgerStore, 'state'>;
  readonly recent: Pick<RecentEntries, 'all'>;
  readonly fleet: TrackedFleet;
  readonly service: AuthorityCertificate;
  /** Absent where browsers without an agent cannot sign in. */
  readonly browsers: () => Pick<BrowserSignIns, 'open'> | undefined;
  /** All that a worker is started with but its number and the state. */
  readonly startOf: (worker: number) => Omit<WorkerStart, 'workerNumber' | 'snapshot'>;
  readonly send: (worker: number, message: ControlToWorker) => void;
  /** Epoch milliseconds. */
  readonly clock: () => number;
  readonly logger: FastifyBaseLogger;
}): WorkerDesk {
  const { store, fleet, send, logger } = parts;
  const counters = new Map<number, WorkerCounters>();

  const start = (worker: number): void => {
    // One message holds a whole state, and what comes after it follows in order on the same channel: no gap.
    const snapshot = copyState(store.state);
    const given = parts.startOf(worker);
    send(worker, { type: 'start', start: { ...given, workerNumber: worker, snapshot } });
    fleet.started(worker);
    // A worker that was serving before this process began keeps its own state, and catches up with these; to one that
    // begins with the snapshot they say nothing new. It answers with what it has in force. The certificate and the key
    // that it has are of the process before this one, which is not there to renew them.
    send(worker, {
      type: 'gateway-certificate',
      certificatePem: given.gatewayCertificatePem,
      keyPem: given.gatewayKeyPem,
    });
    send(worker, { type: 'assertion-key', ...given.assertionKey });
    send(worker, {
      type: 'ledger',
      entries: parts.recent.all().filter(({ sequence }) => sequence <= snapshot.head.sequence),
    });
    logger.info({ worker, sequence: snapshot.head.sequence }, 'worker started');
  };

  /** For the host of that very app and nothing that the request says: a worker cannot choose its names. */
  const certifyApp = async (worker: number, id: number, appName: string, csr: string): Promise<void> => {
    const app = store.state.apps.get(appName as AppName);
    if (app === undefined) {
      send(worker, { type: 'app-certificate-refused', id, detail: `there is no app ${appName}` });
      return;
    }
    try {
      const { publicKeyPem } = await parseRequest(csr);
      const names = { publicKeyPem, dnsNames: [app.host] };
      const leaf = await issueCertificate(parts.service, 'app', names, new Date(parts.clock()));
      const certificatePem = leaf.certificatePem + parts.service.certificatePem;
      send(worker, { type: 'app-certificate', id, certificatePem });
    } catch (error) {
      if (!(error instanceof CertificateRequestError)) throw error;
      send(worker, { type: 'app-certificate-refused', id, detail: error.message });
    }
  };

  const openBrowserSession = async (worker: number, id: number, proof: BrowserProof): Promise<void> => {
    const opened = (await parts.browsers()?.open(proof)) ?? refuse('sign-in-not-configured');
    if (!isRefusal(opened)) return send(worker, { type: 'browser-session', id, session: opened });
    const { code, detail = '' } = opened;
    send(worker, { type: 'browser-session-refused', id, code, detail });
  };

  return {
    counters,
    async receive(worker, message) {
      switch (message.type) {
        case 'hello':
          start(worker);
          return;
        case 'certify-app':
          await certifyApp(worker, message.id, message.app, message.csr);
          return;
        case 'open-browser-session':
          await openBrowserSession(worker, message.id, message.proof);
          return;
        case 'applied':
          fleet.acknowledged(worker, message.sequence);
          return;
        case 'counters':
          counters.set(worker, message.counters);
          return;
      }
    },
    replaceStates() {
      for (const worker of [...fleet.workers.keys()]) start(worker);
    },
    fanOut(entries) {
      for (const worker of fleet.workers.keys()) send(worker, { type: 'ledger', entries });
    },
    broadcast(message) {
      for (const worker of fleet.workers.keys()) send(worker, message);
    },
    gone(worker) {
      fleet.gone(worker);
      counters.delete(worker);
    },
  };
}
