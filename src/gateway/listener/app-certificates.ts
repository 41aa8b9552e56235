import { X509Certificate } from 'node:crypto';
import type { SecureContext } from 'node:tls';
import { renewalTime } from '../../../certs/profiles.ts';
import { createKeyAndRequest } from '../../../certs/request.ts';
import type { ControlState } from '../../domain/control-state.ts';
import type { App } from '../../domain/resources.ts';
import type { GatewayLog } from '../ports.ts';

/** Certificates of the http apps, under whose names this worker ends TLS. */
export interface AppCertificates {
  /** The context to speak for an app with; made now where it is not there yet. Rejects when it cannot be certified. */
  contextFor(app: App): Promise<SecureContext>;
  /** Gets ready for all http apps of the state and forgets those that left. Failures are logged and tried again. */
  follow(state: ControlState): void;
  /** Renews what is due. To be called now and then. */
  renew(): void;
}

interface Kept {
  readonly app: App;
  readonly context: Promise<SecureContext>;
  /** Epoch seconds; infinite until it is known. */
  renewAt: number;
}

/** Requests for certificates under way at once: a start with 150 apps must not flood the control process. */
const maxAtOnce = 8;

export function createAppCertificates(parts: {
  readonly certify: (app: App, csrPem: string) => Promise<string>;
  readonly createContext: (certificatePem: string, keyPem: string) => SecureContext;
  readonly rootPem: string;
  /** Epoch seconds. */
  readonly now: () => number;
  readonly log: GatewayLog;
}): AppCertificates {
  const { certify, createContext, rootPem, now, log } = parts;
  // By host: a certificate says nothing of an app but its host.
  const kept = new Map<string, Kept>();
  const waiting: (() => void)[] = [];
  let running = 0;

  const inTurn = async <T>(job: () => Promise<T>): Promise<T> => {
    if (running >= maxAtOnce) await new Promise<void>((resolve) => waiting.push(resolve));
    running += 1;
    try {
      return await job();
    } finally {
      running -= 1;
      waiting.shift()?.();
    }
  };

  const make = (app: App): Kept => {
    const entry: Kept = {
      app,
      renewAt: Number.POSITIVE_INFINITY,
      context: inTurn(async () => {
        const { privateKeyPem, csrPem } = await createKeyAndRequest();
        const chainPem = await certify(app, csrPem);
        const leaf = new X509Certificate(chainPem);
        entry.renewAt = renewalTime({
          notBefore: Math.floor(Date.parse(leaf.validFrom) / 1000),
          notAfter: Math.floor(Date.parse(leaf.validTo) / 1000),
        });
        return createContext(`${chainPem.trimEnd()}\n${rootPem}`, privateKeyPem);
      }),
    };
    entry.context.catch((error: unknown) => {
      log.warn({ err: error, app: app.name }, 'application not certified');
      // The next who asks tries again.
      if (kept.get(app.host) === entry) kept.delete(app.host);
    });
    return entry;
  };

  const contextFor = (app: App): Promise<SecureContext> => {
    let entry = kept.get(app.host);
    if (entry === undefined) kept.set(app.host, (entry = make(app)));
    return entry.context;
  };

  return {
    contextFor,
    follow(state) {
      const hosts = new Set<string>();
      for (const app of state.apps.values()) {
        if (app.protocol !== 'http') continue;
        hosts.add(app.host);
        contextFor(app).catch(() => undefined);
      }
      for (const host of kept.keys()) if (!hosts.has(host)) kept.delete(host);
    },
    renew() {
      for (const [host, entry] of kept) {
        if (entry.renewAt > now()) continue;
        entry.renewAt = Number.POSITIVE_INFINITY;
        const fresh = make(entry.app);
        // The one before serves until its successor is there.
        fresh.context.then(
          () => kept.set(host, fresh),
          () => (entry.renewAt = now() + 60),
        );
      }
    },
  };
}
