import type { AppProbe } from '../contract/app-probe.ts';
import { refuse } from '../contract/refusals.ts';
import type { Refusal } from '../contract/refusals.ts';
import type { AccessFacts, AccessRequest } from '../domain/decision.ts';
import type { DeviceId } from '../domain/ids.ts';
import { postureCriteria } from '../domain/posture.ts';
import type { PostureCriterion } from '../domain/posture.ts';
import type { App } from '../domain/resources.ts';
import type { PolicyEngine } from '../policy/engine.ts';
import type { OpenedUpstream } from './upstream/open-upstream.ts';
import type { Upstreams } from './upstream/upstreams.ts';

/** What was found at an application's door. */
export interface Reached extends Pick<OpenedUpstream, 'dialled' | 'text'> {
  /** Of a UDP app. */
  readonly datagrams?: NonNullable<AppProbe['datagrams']>;
}

/** Looks on behalf of a laptop whether the way to an application is free, without a byte of a request. */
export interface AppProbes {
  /** A refusal once this device asked more often than people do. */
  admit(device: DeviceId, now: number): Refusal | undefined;
  /** A connection to the application, or a socket for datagrams, that is closed at once. Rejects with UpstreamError. */
  reach(app: App): Promise<Reached>;
}

/** Enough for one look at each of some 150 applications. */
const maxPerMinute = 240;
const windowMs = 60_000;

export function createAppProbes({
  open,
  openDatagrams,
}: Pick<Upstreams, 'open' | 'openDatagrams'>): AppProbes {
  const asked = new Map<DeviceId, number>();
  let windowEndsAt = 0;
  const reaching = new Map<App, Promise<Reached>>();
  const dial = async (app: App): Promise<Reached> => {
    try {
      if (app.protocol === 'udp') {
        const { socket, dialled, text, sign } = await openDatagrams(app);
        socket.close();
        return { dialled, text, datagrams: sign === undefined ? {} : { sign } };
      }
      const { socket, dialled, text } = await open(app);
      socket.destroy();
      return { dialled, text };
    } finally {
      reaching.delete(app);
    }
  };
  return {
    admit(device, now) {
      if (now >= windowEndsAt) {
        asked.clear();
        windowEndsAt = now + windowMs;
      }
      const count = (asked.get(device) ?? 0) + 1;
      asked.set(device, count);
      return count > maxPerMinute ? refuse('rate-limited', `more than ${maxPerMinute} probes`) : undefined;
    },
    reach(app) {
      // A thousand laptops that ask at the same time cost the application one connection.
      let found = reaching.get(app);
      if (found === undefined) reaching.set(app, (found = dial(app)));
      return found;
    },
  };
}

/** The request that a probe stands for: an application's first page, or a tunnel. */
export const requestOfProbe = ({ protocol, host }: App): Pick<AccessRequest, 'method' | 'path' | 'host'> =>
  protocol === 'http' ? { method: 'GET', path: '/', host } : { method: 'CONNECT', path: '', host };

/**
 * The criteria without which the laptop is refused and with which it would be let in, all else being as it is. Its user
 * may know: it is about their own laptop, and nobody but them can mend it.
 */
export function findPostureAtFault(
  engine: Pick<PolicyEngine, 'decide'>,
  facts: AccessFacts,
): readonly PostureCriterion[] {
  const { posture } = facts.subject.token;
  if (posture === undefined) return [];
  const allowsWith = (isSound: (criterion: PostureCriterion) => boolean): boolean => {
    const checks = { ...posture.checks };
    for (const criterion of postureCriteria) if (isSound(criterion)) checks[criterion] = true;
    const token = { ...facts.subject.token, posture: { ...posture, checks } };
    return engine.decide({ ...facts, subject: { ...facts.subject, token } }).effect !== 'deny';
  };
  const faulty = postureCriteria.filter((criterion) => posture.checks[criterion] !== true);
  if (faulty.length === 0 || !allowsWith(() => true)) return [];
  const needed = faulty.filter((one) => !allowsWith((criterion) => criterion !== one));
  // Where any one of several would do, each is a way.
  return needed.length > 0 ? needed : faulty;
}
