import type { DialFailure, NetworkRegistration, UpstreamAddress } from '../contract/ipc.ts';
import { isRegistered } from '../routing/registrations.ts';
import type { Command } from './child.ts';
import { startConnector } from './connector-process.ts';
import type { ConnectorProcess } from './connector-process.ts';
import type { Backoff, BackoffTimes } from './backoff.ts';
import { createBackoff, usualBackoff } from './backoff.ts';
import type { DialResult } from './dial-result.ts';
import type { SupervisorLog } from './log.ts';

/**
 * The connectors of this server, one for each private network that was asked for. Where there are few networks, each has
 * its connector before anybody asks and keeps it: a laptop that comes over from a dead gateway finds all ready.
 */
export interface ConnectorPool {
  /** All networks there are. Connectors of others end; those whose attachment changed are replaced. */
  setNetworks(networks: readonly NetworkRegistration[]): void;
  /** Starts the network's connector where there is none. `answer` is called exactly once. */
  dial(network: string, upstream: UpstreamAddress, answer: (result: DialResult) => void): void;
  close(): Promise<void>;
}

export interface ConnectorPoolParts {
  readonly command: (registration: NetworkRegistration) => Command | { readonly problem: string };
  readonly dialTimeoutMs: number;
  readonly log: SupervisorLog;
  readonly backoff?: BackoffTimes;
  /** A connector that was not asked for anything for so long is ended; the next dial starts it again. */
  readonly idleAfterMs?: number;
  /** Up to so many networks all have a connector, asked for or not. */
  readonly alwaysUpTo?: number;
}

/** Dials under way in one network; a network that answers nobody must not hold the memory of the others. */
const maxPendingDials = 2048;
const usualIdleMs = 15 * 60_000;
/** As shipped, a connector that waits has some 10 MB of its own, and takes a tenth of a second to start. */
const usualAlwaysUpTo = 16;

interface Place {
  registration: NetworkRegistration;
  running: ConnectorProcess | undefined;
  readonly backoff: Backoff;
  notBeforeMs: number;
  lastTrouble: string;
}

export function createConnectorPool(parts: ConnectorPoolParts): ConnectorPool {
  const { command, dialTimeoutMs, log, backoff = usualBackoff, idleAfterMs = usualIdleMs } = parts;
  const { alwaysUpTo = usualAlwaysUpTo } = parts;
  const places = new Map<string, Place>();
  const ending = new Set<Promise<void>>();
  let isClosed = false;
  const areFew = (): boolean => places.size <= alwaysUpTo;

  const retire = (place: Place): void => {
    const { running } = place;
    if (running === undefined) return;
    place.running = undefined;
    const ended = running.end().finally(() => ending.delete(ended));
    ending.add(ended);
  };

  /** The connector of the place, started where there is none; or why it cannot be. */
  const running = (place: Place): ConnectorProcess | string => {
    const connector = place.running ?? start(place);
    if (typeof connector !== 'string') place.running = connector;
    return connector;
  };
  const start = (place: Place): ConnectorProcess | string => {
    const { name } = place.registration;
    const waitMs = place.notBeforeMs - performance.now();
    if (waitMs > 0) return `${place.lastTrouble}; it is started again in ${Math.ceil(waitMs)} ms`;
    const how = command(place.registration);
    if ('problem' in how) {
      if (how.problem !== place.lastTrouble)
        log.error({ network: name, problem: how.problem }, 'connector not started');
      place.lastTrouble = how.problem;
      return how.problem;
    }
    const startedAtMs = performance.now();
    const connector = startConnector(how, place.registration, {
      dialTimeoutMs,
      idleAfterMs,
      onIdle: () => {
        if (place.running !== connector || areFew()) return;
        log.info({ network: name }, 'connector idle');
        retire(place);
      },
      onEnd: (detail) => {
        // One that was retired is no trouble of whoever took its place.
        if (place.running !== connector) return;
        place.running = undefined;
        const endedAtMs = performance.now();
        const delayMs = place.backoff.next(startedAtMs, endedAtMs);
        place.notBeforeMs = endedAtMs + delayMs;
        place.lastTrouble = `the connector of network ${name} ended (${detail})`;
        log.error({ network: name, detail, delayMs }, 'connector ended');
      },
    });
    log.info({ network: name, pid: connector.pid }, 'connector started');
    return connector;
  };

  return {
    setNetworks(networks) {
      const names = new Set(networks.map(({ name }) => name));
      for (const [name, place] of places) {
        if (names.has(name)) continue;
        places.delete(name);
        retire(place);
      }
      for (const registration of networks) {
        const place = places.get(registration.name);
        if (place === undefined) {
          places.set(registration.name, {
            registration,
            running: undefined,
            backoff: createBackoff(backoff),
            notBeforeMs: 0,
            lastTrouble: '',
          });
          continue;
        }
        const isElsewhere = !isSameAttach(place.registration, registration);
        place.registration = registration;
        if (isElsewhere) {
          retire(place);
          place.notBeforeMs = 0;
        } else place.running?.register(registration);
      }
      if (!isClosed && areFew()) for (const place of places.values()) running(place);
    },
    dial(network, upstream, answer) {
      const fail = (failure: DialFailure, detail: string): void => answer({ failure, detail });
      const place = places.get(network);
      if (isClosed) return fail('connector-unavailable', 'this server is shutting down');
      if (place === undefined) return fail('not-registered', `there is no network ${network}`);
      // The connector checks this again; here it keeps processes from being started for what cannot be.
      if (!isRegistered(place.registration.upstreams, upstream)) {
        return fail(
          'not-registered',
          `no app in network ${network} lives at ${upstream.host} port ${upstream.port}`,
        );
      }
      const connector = running(place);
      if (typeof connector === 'string') return fail('connector-unavailable', connector);
      if (connector.pending >= maxPendingDials) {
        return fail('connector-unavailable', `${maxPendingDials} dials are under way in network ${network}`);
      }
      connector.dial(upstream, answer);
    },
    async close() {
      isClosed = true;
      for (const place of places.values()) retire(place);
      await Promise.all(ending);
    },
  };
}

function isSameAttach({ attach: a }: NetworkRegistration, { attach: b }: NetworkRegistration): boolean {
  if ('netns' in a) return 'netns' in b && a.netns === b.netns;
  if ('sourceAddress' in a) return 'sourceAddress' in b && a.sourceAddress === b.sourceAddress;
  return 'direct' in a ? 'direct' in b : 'connector' in b;
}
