import type {
  ConnectorMessage,
  NetworkRegistration,
  SupervisorToConnector,
  UpstreamAddress,
} from '../contract/ipc.ts';
import { isSocketHandle } from '../routing/wrap-handle.ts';
import { startChild } from './child.ts';
import type { Command } from './child.ts';
import type { DialResult } from './dial-result.ts';

/** One running connector and the dials that it was asked for. */
export interface ConnectorProcess {
  readonly pid: number | undefined;
  readonly pending: number;
  register(registration: NetworkRegistration): void;
  /** `answer` is called exactly once, also when the connector ends or says nothing. */
  dial(upstream: UpstreamAddress, answer: (result: DialResult) => void): void;
  /** Resolves when the process is gone. */
  end(): Promise<void>;
}

interface PendingDial {
  readonly answer: (result: DialResult) => void;
  /** Runs from when the connector could have read the question: to start it takes longer than to dial. */
  timer: NodeJS.Timeout | undefined;
}

/** How much longer to wait than the connector itself, whose answer says more. */
const graceMs = 250;
/** Node and one file: more is a machine in distress, and then too a hung start must end. */
const startTimeoutMs = 20_000;
const endTimeoutMs = 2000;

export function startConnector(
  command: Command,
  registration: NetworkRegistration,
  options: {
    readonly dialTimeoutMs: number;
    readonly idleAfterMs: number;
    /** Asked again and again while it is. */
    readonly onIdle: () => void;
    readonly onEnd: (detail: string) => void;
  },
): ConnectorProcess {
  const { dialTimeoutMs: timeoutMs } = options;
  const network = registration.name;
  const pending = new Map<number, PendingDial>();
  let lastId = 0;
  let isReady = false;

  const settle = (id: number, result: DialResult): boolean => {
    const dial = pending.get(id);
    if (dial === undefined) return false;
    clearTimeout(dial.timer);
    pending.delete(id);
    idle.refresh();
    dial.answer(result);
    return true;
  };
  const watch = (id: number, dial: PendingDial): void => {
    dial.timer = setTimeout(() => {
      settle(id, { failure: 'timeout', detail: `no answer from the connector in ${timeoutMs + graceMs} ms` });
      // A connector keeps time itself: one that lets it pass hangs, and would let the next dials wait as well.
      child.kill();
    }, timeoutMs + graceMs);
  };
  const receive = (message: ConnectorMessage, handle: unknown): void => {
    if (message.type === 'ready') {
      isReady = true;
      clearTimeout(startTimer);
      for (const [id, dial] of pending) watch(id, dial);
    } else if (message.type === 'dial-failed') {
      settle(message.id, { failure: message.failure, detail: message.detail });
    } else if (!isSocketHandle(handle)) {
      settle(message.id, {
        failure: 'unreachable',
        detail: 'the connection was gone before it was handed over',
      });
    } else if (message.network !== network) {
      handle.close();
      const detail = `asked for a socket in ${network}, got one in ${message.network}`;
      settle(message.id, { failure: 'isolation-breach', detail });
    } else if (!settle(message.id, { network, address: message.address, handle })) {
      // Too late: whoever asked was told so already.
      handle.close();
    }
  };

  const child = startChild<SupervisorToConnector, ConnectorMessage>(command, {
    onMessage: receive,
    onEnd: ({ detail }) => {
      clearTimeout(startTimer);
      for (const id of pending.keys()) {
        settle(id, {
          failure: 'connector-unavailable',
          detail: `the connector of network ${network} ended (${detail})`,
        });
      }
      clearInterval(idle);
      options.onEnd(detail);
    },
  });
  const startTimer = setTimeout(() => child.kill(), startTimeoutMs);
  const idle = setInterval(() => {
    if (pending.size === 0) options.onIdle();
  }, options.idleAfterMs);
  child.send({ type: 'register', registration });

  return {
    pid: child.pid,
    get pending() {
      return pending.size;
    },
    register: (changed) => child.send({ type: 'register', registration: changed }),
    dial(upstream, answer) {
      const id = ++lastId;
      const dial: PendingDial = { answer, timer: undefined };
      pending.set(id, dial);
      if (isReady) watch(id, dial);
      child.send({ type: 'dial', id, upstream, timeoutMs });
    },
    async end() {
      clearInterval(idle);
      child.disconnect();
      await child.endWithin(endTimeoutMs);
    },
  };
}
