import type { Group, Resource } from '../../domain/resources.ts';
import { readChecks } from '../../domain/posture.ts';
import { isNumericAddress } from '../../domain/numeric-address.ts';
import type { Posture } from '../../domain/posture.ts';
import { createGroupMembership } from '../../policy/group-membership.ts';
import type { Explanation } from '../../policy/explanation.ts';
import type { FileProblem } from '../resource-files.ts';
import type { LocatedCase, PolicyCase } from './case-file.ts';
import { createSimulation, simulatedDevice, simulatedSubject } from './simulation.ts';

/** One case and what came of it. */
export interface JudgedCase {
  readonly located: LocatedCase;
  readonly explanation: Explanation;
  /** What was not as expected, in words; empty for a case as expected. */
  readonly surprises: readonly string[];
}

/** What a case speaks of and the resources do not have. Judging it would be guessing. */
export function findUnknown(cases: readonly LocatedCase[], resources: readonly Resource[]): FileProblem[] {
  const known = new Set(resources.map(({ kind, name }) => `${kind}/${name}`));
  return cases.flatMap(({ case: each, file, lineOf }) => {
    const problem = (key: string, path: (string | number)[], message: string): FileProblem => ({
      file,
      line: lineOf(path),
      key,
      message,
    });
    const isMachine = each.device?.role === 'machine';
    return [
      ...(each.app === undefined
        ? [problem('app', [], `${each.name}: no app is given, nor by the defaults`)]
        : []),
      ...(each.app !== undefined && !known.has(`App/${each.app}`)
        ? [problem('app', ['app'], `there is no app ${each.app}`)]
        : []),
      ...(each.groups ?? [])
        .filter((name) => !known.has(`Group/${name}`))
        .map((name) => problem('groups', ['groups'], `there is no group ${name}`)),
      ...(each.policies ?? [])
        .filter((name) => !known.has(`Policy/${name}`))
        .map((name) => problem('policies', ['policies'], `there is no policy ${name}`)),
      ...(each.at !== undefined && Number.isNaN(Date.parse(each.at))
        ? [problem('at', ['at'], `there is no such time as ${each.at}`)]
        : []),
      ...(each.request?.source !== undefined && !isNumericAddress(each.request.source)
        ? [problem('request.source', ['request', 'source'], 'must be a numeric address')]
        : []),
      ...(each.user === undefined && !isMachine
        ? [problem('user', [], `${each.name}: no user is given, nor by the defaults`)]
        : []),
      ...(each.user !== undefined && isMachine
        ? [problem('user', ['user'], `${each.name}: nobody signs in on a machine; leave the user out`)]
        : []),
    ];
  });
}

/** The claim that stands for being in a group, by whatever way. */
const memberClaim = 'postern:group';

/** Judges every case as a gateway would. `now` in epoch seconds, for cases that name no time. */
export function judgeCases(
  cases: readonly LocatedCase[],
  resources: readonly Resource[],
  now: number,
): JudgedCase[] {
  const groups = resources.filter((resource): resource is Group => resource.kind === 'Group');
  const membership = createGroupMembership(groups);
  // Groups of a case are given beside those that list its user: membership is worked out here, and told by one claim.
  const simulation = createSimulation(
    resources.map((resource) =>
      resource.kind === 'Group'
        ? { ...resource, members: { claim: memberClaim, value: resource.name } }
        : resource,
    ),
  );
  return cases.map((located, index) => {
    const each = located.case;
    const at = each.at === undefined ? now : Date.parse(each.at) / 1000;
    const app = simulation.app(each.app ?? '');
    if (app === undefined) throw new TypeError('cases are judged after findUnknown passed them');
    const {
      id = `device-${index + 1}`,
      role = 'laptop',
      state = 'active',
      enrolledAgeSeconds = 86_400,
    } = each.device ?? {};
    const user = each.user ?? '';
    const device = simulatedDevice({ id, user, role, state, enrolledAt: at - enrolledAgeSeconds });
    simulation.know(device);
    const claims = Object.groupBy(each.claims ?? [], ({ claim }) => claim);
    const asserted = Object.fromEntries(
      Object.entries(claims).map(([claim, values = []]) => [claim, values.map(({ value }) => value)]),
    );
    const { certificate, token } = simulatedSubject(device, {
      user,
      claims: asserted,
      posture: postureOf(each, at),
      issuedAt: at,
      ...signInOf(each, at),
    });
    const { names } = membership.groupsOf(token);
    const isHttp = app.protocol === 'http';
    const explanation = simulation.engine.explain({
      subject: {
        certificate,
        token: { ...token, claims: { [memberClaim]: [...names, ...(each.groups ?? [])] } },
      },
      app,
      request: {
        method: isHttp ? (each.request?.method ?? 'GET') : 'CONNECT',
        path: isHttp ? (each.request?.path ?? '/') : '',
        host: app.host,
        // No place in particular: a policy that asks for one does not hold.
        sourceAddress: each.request?.source ?? '0.0.0.0',
      },
      now: at,
    });
    return { located, explanation, surprises: findSurprises(each, explanation) };
  });
}

function postureOf({ posture }: PolicyCase, at: number): Posture | undefined {
  if (posture === undefined || posture.missing === true) return undefined;
  const { ageSeconds = 0, os = 'linux', osVersion = '', kernelVersion = '', agentVersion = '' } = posture;
  return {
    measuredAt: at - ageSeconds,
    os,
    osVersion,
    kernelVersion,
    agentVersion,
    checks: readChecks(posture as Partial<Posture['checks']>),
  };
}

function signInOf({ signIn }: PolicyCase, at: number): { signIn?: { id: string; at: number; mfa: boolean } } {
  if (signIn === undefined || signIn.missing === true) return {};
  return { signIn: { id: 'case', at: at - (signIn.ageSeconds ?? 0), mfa: signIn.mfa ?? false } };
}

function findSurprises({ expect, reasons, policies }: PolicyCase, explanation: Explanation): string[] {
  const decided = decidingPolicies(explanation);
  const sameNames = (wanted: readonly string[], got: readonly string[]): boolean =>
    JSON.stringify([...new Set(wanted)].sort()) === JSON.stringify([...new Set(got)].sort());
  const listed = (words: readonly string[]): string => (words.length === 0 ? 'none' : words.join(', '));
  return [
    ...(explanation.effect === expect ? [] : [`expected ${expect}, got ${explanation.effect}`]),
    ...(reasons === undefined || sameNames(reasons, explanation.reasons)
      ? []
      : [`expected the reasons ${listed(reasons)}, got ${listed(explanation.reasons)}`]),
    ...(policies === undefined || sameNames(policies, decided)
      ? []
      : [`expected the policies ${listed(policies)} to decide, got ${listed(decided)}`]),
  ];
}

/** Those whose conditions held, and that had the last word: forbids where there is one. */
export function decidingPolicies({ policies }: Explanation): string[] {
  const held = policies.filter(({ satisfied, mode }) => satisfied && mode === 'enforce');
  const forbids = held.filter(({ effect }) => effect === 'forbid');
  return (forbids.length > 0 ? forbids : held).map(({ name }) => name);
}
