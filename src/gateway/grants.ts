import { refuse } from '../contract/refusals.ts';
import type { Refusal } from '../contract/refusals.ts';
import type { ControlState } from '../domain/control-state.ts';
import { portsOf } from '../domain/app-ports.ts';
import type { AccessFacts, Decision } from '../domain/decision.ts';
import { isFinal } from '../domain/device.ts';
import type { AppName, DeviceId } from '../domain/ids.ts';
import type { App } from '../domain/resources.ts';
import type { Subject } from '../domain/subject.ts';
import type { PolicyEngine } from '../policy/engine.ts';
import type { Bagged } from './listener/bag.ts';
import type { ClientConnection } from './listener/client-connection.ts';
import { endsTheDevice, isCarrier, isOnlyPolicy, refusalOfDecision } from './answers/decision-refusal.ts';
import type { Flow } from './flow.ts';

/** A live flow's leave to go on. It dies with what it depended on. */
export interface Grant extends Bagged {
  readonly flow: Flow;
  facts: AccessFacts;
  decision: Decision;
  /** Epoch seconds: decided again then at the latest. 0 until somebody looked: most flows end before. */
  reviewAt: number;
  /** How to end the flow at once; set by whoever carries it. */
  cut: ((refusal: Refusal) => void) | undefined;
  /** Why it was cut, also before anybody carried it. */
  ended: Refusal | undefined;
}

/** All live flows of a worker, found by the device they depend on. */
export interface Grants {
  open(flow: Flow, facts: AccessFacts, decision: Decision): Grant;
  close(grant: Grant): void;
  /** A connection got a fresh token: its flows go on under it, or end. */
  renew(connection: ClientConnection, subject: Subject): void;
  /** Decides again what depends on these devices, or everything. Cuts what is denied, at once. */
  revalidate(devices: ReadonlySet<DeviceId> | 'all'): void;
  /** Decides again what time alone may have changed. */
  review(): void;
  adopt(connection: ClientConnection): void;
  release(connection: ClientConnection): void;
  connectionsOf(device: DeviceId): Iterable<ClientConnection>;
  readonly size: number;
}

export function createGrants(parts: {
  readonly engine: PolicyEngine;
  readonly state: () => ControlState;
  /** Epoch seconds. */
  readonly now: () => number;
}): Grants {
  const { engine, state, now } = parts;
  const connections = new Map<DeviceId, Set<ClientConnection>>();
  let size = 0;

  const cut = (grant: Grant, refusal: Refusal): void => {
    grant.ended = refusal;
    grant.cut?.(refusal);
  };

  const decideAgain = (grant: Grant): void => {
    if (grant.ended !== undefined) return;
    grant.facts = { ...grant.facts, app: currentApp(grant, state()), now: now() };
    grant.decision = engine.decide(grant.facts);
    grant.reviewAt = now() + engine.nextReviewSeconds(grant.facts);
    if (grant.decision.effect === 'allow') return;
    // A tunnel to an http app carries requests that are each decided by themselves; it ends with what all of them need.
    if (isCarrier(grant.facts) && isOnlyPolicy(grant.decision)) return;
    // The record shows what ended the flow, not what began it.
    grant.flow.decision = grant.decision;
    cut(grant, refusalOfDecision(grant.decision, 'grant-ended'));
  };

  const reviewConnection = (connection: ClientConnection, time: number): void => {
    for (const grant of connection.grants.snapshot()) {
      if (grant.reviewAt === 0) grant.reviewAt = grant.facts.now + engine.nextReviewSeconds(grant.facts);
      if (grant.reviewAt > time) continue;
      decideAgain(grant);
      if (grant.ended !== undefined && endsTheDevice(grant.decision)) connection.socket.destroy();
    }
  };

  return {
    get size() {
      return size;
    },
    open(flow, facts, decision) {
      const grant: Grant = {
        flow,
        facts,
        decision,
        reviewAt: 0,
        cut: undefined,
        ended: undefined,
        next: undefined,
        previous: undefined,
      };
      flow.exchange.connection.grants.add(grant);
      size += 1;
      return grant;
    },
    close(grant) {
      if (!grant.flow.exchange.connection.grants.delete(grant)) return;
      size -= 1;
    },
    renew(connection, subject) {
      for (const grant of connection.grants.snapshot()) {
        if (grant.facts.subject.token.user !== subject.token.user) {
          cut(grant, refuse('grant-ended', 'the session is another user’s now'));
          continue;
        }
        grant.facts = { ...grant.facts, subject };
        grant.flow.subject = subject;
        decideAgain(grant);
      }
    },
    revalidate(devices) {
      const concerned = [...(devices === 'all' ? connections.keys() : devices)];
      const affected = concerned.flatMap((device) => [...(connections.get(device) ?? [])]);
      // The wires first, all of them: whoever was revoked does not stay while it is written down what that ended.
      for (const connection of affected) if (!isKnownDevice(connection, state())) connection.socket.destroy();
      for (const connection of affected) for (const grant of connection.grants.snapshot()) decideAgain(grant);
    },
    review() {
      if (size === 0) return;
      const time = now();
      for (const each of connections.values()) {
        for (const connection of each) if (connection.grants.size > 0) reviewConnection(connection, time);
      }
    },
    adopt(connection) {
      const { device } = connection.certificate;
      const known = connections.get(device);
      if (known === undefined) connections.set(device, new Set([connection]));
      else known.add(connection);
    },
    release(connection) {
      const { device } = connection.certificate;
      const known = connections.get(device);
      known?.delete(connection);
      if (known?.size === 0) connections.delete(device);
    },
    connectionsOf: (device) => connections.get(device) ?? [],
  };
}

/** Whether the device may still have connections, and this is one of its certificates. */
export function isKnownDevice({ certificate }: ClientConnection, { devices }: ControlState): boolean {
  const device = devices.get(certificate.device);
  if (device === undefined || isFinal(device)) return false;
  return device.certificates.some(({ thumbprint }) => thumbprint === certificate.thumbprint);
}

/**
 * The app as the ledger has it now, where the flow would still be led the same way. A change of what does not concern
 * a live flow (another upstream beside its own, a health check) does not end it.
 */
function currentApp({ facts: { app }, flow }: Grant, { apps }: ControlState): App {
  const now = apps.get(app.name as AppName);
  if (now === undefined || now === app) return app;
  const isSamePlace =
    now.network === app.network &&
    now.host === app.host &&
    now.protocol === app.protocol &&
    (flow.upstreamText === undefined || now.upstreams.includes(flow.upstreamText)) &&
    (now.inspect ?? []).join(',') === (app.inspect ?? []).join(',') &&
    (flow.port === undefined || portsOf(now).includes(flow.port));
  return isSamePlace ? now : app;
}
