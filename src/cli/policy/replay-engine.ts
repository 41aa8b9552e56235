import { isPseudonym } from '../../contract/session-token.ts';
import { reasonsBeforePolicies } from '../../domain/decision.ts';
import type { Device } from '../../domain/device.ts';
import type { App, Resource } from '../../domain/resources.ts';
import type { Subject } from '../../domain/subject.ts';
import type { Decision } from '../../domain/decision.ts';
import type { RecordedAccess } from '../../flow/read/recorded-access.ts';
import { createReplayTally } from './replay-tally.ts';
import type { ReplayReport } from './replay-tally.ts';
import { createSimulation, simulatedDevice, simulatedSubject } from './simulation.ts';
import type { Simulation } from './simulation.ts';

/** A device as far as its past is known. */
export interface KnownDevice {
  readonly id: string;
  readonly user: string;
  readonly role: Device['role'];
  readonly enrolledAt: number;
  /** Epoch seconds, ascending: from when on it was in a state. */
  readonly states: readonly { readonly at: number; readonly state: Device['state'] }[];
}

export interface Replay {
  /** Judges one recorded access by the policies of now and by those proposed. */
  add(access: RecordedAccess): void;
  /** A line that is no record. */
  addMalformed(): void;
  report(): ReplayReport;
}

const beforePolicies: ReadonlySet<string> = new Set(reasonsBeforePolicies);

/** Tokens whose facts are remembered; the many requests of one session share them. */
const maxSubjects = 50_000;

/**
 * Judges records by the engine of the gateway: the facts are those of the record, the policies, groups and apps are those
 * of `present` and `proposed`. What a record does not say is not guessed: such flows are counted by what was missing.
 */
export function createReplay(
  present: readonly Resource[],
  proposed: readonly Resource[],
  devices: ReadonlyMap<string, KnownDevice>,
): Replay {
  const [before, after] = [createSimulation(present), createSimulation(proposed)];
  const tally = createReplayTally();
  const all = [...present, ...proposed];
  const asksForClaims = all.some((each) => each.kind === 'Group' && !Array.isArray(each.members));
  const asksForSignIn = all.some((each) => each.kind === 'Policy' && each.cedar.includes('signIn'));
  const asksForPath = all.some((each) => each.kind === 'Policy' && each.cedar.includes('path'));
  let subjects = new Map<string, Subject>();

  const subjectOf = ({ session }: RecordedAccess, device: Device): Subject => {
    const key = JSON.stringify([session.id, session.device]);
    let subject = subjects.get(key);
    if (subject === undefined) {
      const { user = device.user, claims = {}, posture, signIn, issuedAt } = session;
      subject = simulatedSubject(device, {
        user,
        claims,
        posture,
        issuedAt,
        ...(signIn === null || signIn === undefined ? {} : { signIn: { id: 'recorded', ...signIn } }),
      });
      if (subjects.size >= maxSubjects) subjects = new Map();
      subjects.set(key, subject);
    }
    return subject;
  };

  const missingFrom = (access: RecordedAccess, known: KnownDevice | undefined): string | undefined => {
    const { session, truncated } = access;
    if (before.app(access.app) === undefined && after.app(access.app) === undefined)
      return 'the app is not there any more';
    if (known === undefined) return 'the device is not known';
    if (stateAt(known, access.startedAt) === undefined)
      return 'the state of the device at that time is not known';
    if (session.user !== undefined && isPseudonym(session.user)) return 'the user is not known any more';
    if (asksForPath && (truncated.includes('path') || access.path === undefined))
      return 'the path is not on record in full';
    if (asksForClaims && session.claims === undefined && known.role !== 'machine')
      return 'the claims of the user are not on record';
    if (asksForSignIn && session.signIn === undefined) return 'the sign-in is not on record';
    return undefined;
  };

  const judge = (simulation: Simulation, access: RecordedAccess, device: Device, app: App): Decision => {
    simulation.know(device);
    return simulation.engine.decide({
      subject: subjectOf(access, device),
      app,
      request: {
        method: access.method,
        path: access.path ?? '',
        host: app.host,
        sourceAddress: access.sourceAddress,
      },
      now: access.startedAt / 1000,
    });
  };

  const devicesAsWere = new Map<string, Device>();
  const deviceAt = (known: KnownDevice, startedAt: number): Device => {
    const state = stateAt(known, startedAt) ?? 'active';
    const key = `${state} ${known.id}`;
    let device = devicesAsWere.get(key);
    if (device === undefined) devicesAsWere.set(key, (device = simulatedDevice({ ...known, state })));
    return device;
  };

  return {
    addMalformed: () => tally.malformed(),
    add(access) {
      if (access.effect === 'deny' && access.reasons.some((reason) => beforePolicies.has(reason))) {
        tally.beforePolicies();
        return;
      }
      const known = devices.get(access.session.device);
      const missing = missingFrom(access, known);
      const app = before.app(access.app) ?? after.app(access.app);
      if (missing !== undefined || known === undefined || app === undefined) {
        tally.notJudged(missing ?? 'the device is not known');
        return;
      }
      // The tunnel that carries requests to a web application is no access; the requests in it are.
      if (app.protocol === 'http' && access.method === 'CONNECT') return;
      const device = deviceAt(known, access.startedAt);
      const was = judge(before, access, device, before.app(access.app) ?? app);
      const is = judge(after, access, device, after.app(access.app) ?? app);
      tally.judged(access, was, is);
    },
    report: () => tally.report(),
  };
}

function stateAt({ states }: KnownDevice, startedAt: number): Device['state'] | undefined {
  const seconds = Math.floor(startedAt / 1000);
  return states.findLast(({ at }) => at <= seconds)?.state;
}
