import type { RefusalCode } from '../contract/refusals.ts';
import { refuse } from '../contract/refusals.ts';
import type { Refusal } from '../contract/refusals.ts';
import type { AccessRequest, Decision } from '../domain/decision.ts';
import type { App } from '../domain/resources.ts';
import type { PolicyEngine } from '../policy/engine.ts';
import type { ClientConnection } from './connection.ts';

/** The right of one live flow to go on. It dies with what it depended on: device, token, posture, policy, app. */
export interface Grant {
  readonly connection: ClientConnection;
  readonly app: App;
  readonly request: AccessRequest;
  /** Ends the flow at once, both sides, and has it recorded as ended by the gateway. Called once at most. */
  readonly cut: (why: Refusal) => void;
}

/** How a denial is told to the peer. The record has the reasons themselves. */
export function refusalOf(decision: Decision): Refusal | undefined {
  if (decision.effect === 'allow') return undefined;
  if (decision.effect === 'challenge') return refuse('denied', decision.missing.join(','));
  const [first = 'no-policy-permits'] = decision.reasons;
  return refuse(codes[first] ?? 'denied', decision.reasons.join(','));
}

const codes: Partial<Record<string, RefusalCode>> = {
  'device-revoked': 'device-revoked',
  'device-lost': 'device-revoked',
  'device-unknown': 'device-unknown',
  'device-quarantined': 'device-quarantined',
  'certificate-unknown': 'certificate-unknown',
  'token-expired': 'token-expired',
};

/** Every live flow of a worker. */
export interface LiveFlows {
  readonly connections: Set<ClientConnection>;
  readonly open: number;
  /** Decides every live flow again and cuts what is denied. `now` in epoch seconds. */
  review(now: number): void;
  hold(grant: Grant): void;
  release(grant: Grant): void;
}

export function createLiveFlows(
  engine: PolicyEngine,
  stillKnown: (connection: ClientConnection, now: number) => Refusal | undefined,
): LiveFlows {
  const connections = new Set<ClientConnection>();
  let open = 0;

  const cut = (grant: Grant, why: Refusal): void => {
    if (!grant.connection.grants.delete(grant)) return;
    open -= 1;
    grant.cut(why);
  };

  function reviewConnection(connection: ClientConnection, now: number): void {
    const unknown = stillKnown(connection, now);
    if (unknown !== undefined) {
      for (const grant of connection.grants) cut(grant, unknown);
      connection.endedBecause = unknown;
      connection.transport.destroy();
      return;
    }
    for (const grant of connection.grants) {
      const { subject } = connection;
      const why =
        subject === undefined
          ? refuse('grant-ended')
          : refusalOf(engine.decide({ subject, app: grant.app, request: grant.request, now }));
      if (why === undefined) continue;
      cut(grant, why.code === 'denied' ? refuse('grant-ended', why.detail) : why);
    }
  }

  return {
    connections,
    get open() {
      return open;
    },
    review(now) {
      for (const connection of connections) reviewConnection(connection, now);
    },
    hold(grant) {
      grant.connection.grants.add(grant);
      open += 1;
    },
    release(grant) {
      if (grant.connection.grants.delete(grant)) open -= 1;
    },
  };
}
