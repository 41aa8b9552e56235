import type { DenialReason } from '../domain/decision.ts';
import { postureCriteria } from '../domain/posture.ts';
import type { Posture, PostureCriterion } from '../domain/posture.ts';
import { judge } from './judge.ts';
import { postureAgeSeconds } from './policy-inputs.ts';
import type { PolicyInputs } from './policy-inputs.ts';
import type { PolicySlice } from './slices.ts';

/** One thing that could be otherwise. */
interface Change {
  /** Completes "Allowed if …" or "Denied if …". */
  readonly condition: string;
  readonly apply: (inputs: PolicyInputs) => PolicyInputs;
}

/** What mends a refusal of the state, where anything does. */
const mends: Readonly<Partial<Record<DenialReason, string>>> = {
  'device-quarantined': 'the device were released from quarantine',
  'device-revoked': 'the laptop were enrolled anew (a revoked device stays revoked)',
  'device-lost': 'the laptop were enrolled anew (a lost device stays lost)',
  'certificate-unknown': "the device's newest certificate were used",
  'token-expired': 'the session token were fresh',
  'user-mismatch': 'the session token were that of this device',
};

const changeCheck = (posture: Posture, name: PostureCriterion, value: boolean): Posture => ({
  ...posture,
  checks: { ...posture.checks, [name]: value },
});

const fresh = (inputs: PolicyInputs): number => Math.max(inputs.now, inputs.vouchedAt);

const goodPosture = (inputs: PolicyInputs): PolicyInputs => ({
  ...inputs,
  posture: {
    os: '',
    osVersion: '',
    agentVersion: '',
    ...inputs.posture,
    measuredAt: fresh(inputs),
    checks: Object.fromEntries(postureCriteria.map((name) => [name, true])) as Posture['checks'],
  },
});

function postureChanges(slice: PolicySlice, inputs: PolicyInputs): Change[] {
  const { posture } = inputs;
  if (posture === undefined) return [];
  const changes = postureCriteria
    .filter((name) => slice.leaves.includes(`posture.${name}`) || slice.leaves.includes('posture.unknown'))
    .map((name): Change => {
      const value = posture.checks[name];
      return {
        condition: `${name} were ${value === true ? 'not true' : `true (it is ${value})`}`,
        apply: (now) => ({ ...now, posture: changeCheck(posture, name, value !== true) }),
      };
    });
  if (slice.leaves.includes('posture.ageSeconds')) {
    const age = postureAgeSeconds(inputs);
    changes.push(
      {
        condition: `the posture were just measured (it is ${age} s old)`,
        apply: (now) => ({ ...now, posture: { ...posture, measuredAt: fresh(now) } }),
      },
      {
        condition: 'the posture were a day old',
        apply: (now) => ({ ...now, posture: { ...posture, measuredAt: fresh(now) - 86_400 } }),
      },
    );
  }
  return changes;
}

function groupChanges(slice: PolicySlice, inputs: PolicyInputs): Change[] {
  const mentioned = new Set(
    slice.policies.flatMap(({ usage }) => (usage.groups === 'all' ? [] : [...usage.groups])),
  );
  return [...mentioned].sort().map((group) =>
    inputs.groups.includes(group)
      ? {
          condition: `${inputs.user} were not in the group ${group}`,
          apply: (now) => ({ ...now, groups: now.groups.filter((name) => name !== group) }),
        }
      : {
          condition: `${inputs.user} were in the group ${group}`,
          apply: (now) => ({ ...now, groups: [...now.groups, group] }),
        },
  );
}

/**
 * Single changes that were each tried and turn the decision round; where none does, all of the posture together, and
 * that with one group. Nothing is listed that was not tried.
 */
export function findCounterfactuals(
  slice: PolicySlice,
  inputs: PolicyInputs,
  effect: 'allow' | 'deny',
  stateReason: DenialReason | undefined,
): string[] {
  const wanted = effect === 'allow' ? 'deny' : 'allow';
  const turns = (changed: PolicyInputs): boolean => judge(slice, changed).effect === wanted;
  const verb = wanted === 'allow' ? 'Allowed' : 'Denied';
  const mend = stateReason === undefined ? undefined : mends[stateReason];
  if (stateReason !== undefined && mend === undefined) return [];
  if (mend !== undefined && turns(inputs)) return [`${verb} if ${mend}.`];

  const prefix = `${verb} if ${mend === undefined ? '' : `${mend}, and `}`;
  const groups = groupChanges(slice, inputs);
  const single = [...postureChanges(slice, inputs), ...groups].filter(({ apply }) => turns(apply(inputs)));
  if (single.length > 0 || wanted === 'deny') return single.map(({ condition }) => `${prefix}${condition}.`);
  if (!slice.usesPosture) return [];
  const good =
    inputs.posture === undefined
      ? 'a posture were reported, fresh and with every criterion true'
      : 'the posture were fresh and every criterion true';
  if (turns(goodPosture(inputs))) return [`${prefix}${good}.`];
  return groups
    .filter(({ apply }) => turns(apply(goodPosture(inputs))))
    .map(({ condition }) => `${prefix}${good}, and ${condition}.`);
}
