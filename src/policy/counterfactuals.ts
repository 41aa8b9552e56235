import { challengeWords } from '../domain/decision.ts';
import type { Challenge, Decision, DenialReason } from '../domain/decision.ts';
import { postureCriteria } from '../domain/posture.ts';
import type { Posture, PostureCriterion } from '../domain/posture.ts';
import { afterSigningIn } from './challenge.ts';
import { judge } from './judge.ts';
import { freshest, postureAgeSeconds, signInAgeSeconds } from './policy-inputs.ts';
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
  'posture-awaited': 'the agent had reported the posture of this laptop once',
  'device-revoked': 'the laptop were enrolled anew (a revoked device stays revoked)',
  'device-lost': 'the laptop were enrolled anew (a lost device stays lost)',
  'certificate-unknown': "the device's newest certificate were used",
  'token-expired': 'the session token were fresh',
  'sign-in-ended': 'the user signed in again',
  'user-mismatch': 'the session token were that of this device',
};

const changeCheck = (posture: Posture, name: PostureCriterion, value: boolean): Posture => ({
  ...posture,
  checks: { ...posture.checks, [name]: value },
});

const goodPosture = (inputs: PolicyInputs): PolicyInputs => ({
  ...inputs,
  posture: {
    os: '',
    osVersion: '',
    agentVersion: '',
    ...inputs.posture,
    measuredAt: freshest(inputs),
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
        apply: (now) => ({ ...now, posture: { ...posture, measuredAt: freshest(now) } }),
      },
      {
        condition: 'the posture were a day old',
        apply: (now) => ({ ...now, posture: { ...posture, measuredAt: freshest(now) - 86_400 } }),
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

/** Of the sign-in what would end an access; what would mend one is the challenge itself. */
function signInChanges(slice: PolicySlice, inputs: PolicyInputs): Change[] {
  if (!slice.usesSignIn || inputs.signIn.at === undefined) return [];
  return [
    {
      condition: 'the user had signed in a day ago',
      apply: (now) => ({ ...now, signIn: { ...now.signIn, at: freshest(now) - 86_400 } }),
    },
    ...(inputs.signIn.mfa
      ? [
          {
            condition: 'the sign-in had taken one factor only',
            apply: (now: PolicyInputs) => ({ ...now, signIn: { ...now.signIn, mfa: false } }),
          },
        ]
      : []),
  ];
}

/** What a challenge asks for, with what there is instead. */
function describeChallenge({ missing, maxAgeSeconds }: Challenge, inputs: PolicyInputs): string {
  const age = signInAgeSeconds(inputs);
  const last = inputs.signIn.at === undefined ? 'the user never did' : `the last time was ${age} s ago`;
  const bound = maxAgeSeconds === undefined ? '' : `, at most ${maxAgeSeconds} s ago`;
  const fresh = missing.includes('fresh-sign-in');
  const mfa = missing.includes('mfa') ? ' with more than one factor' : '';
  return `Allowed if the user signed in${fresh ? ' again' : ''}${mfa}${bound}${fresh ? ` (${last})` : ''}.`;
}

/** Everything good that policies can ask for at once, where they ask for it at all. */
function allGood(slice: PolicySlice, inputs: PolicyInputs): Change | undefined {
  const canSignIn = slice.usesSignIn && inputs.device.role === 'laptop';
  if (!slice.usesPosture && !canSignIn) return undefined;
  const conditions = [
    ...(!slice.usesPosture
      ? []
      : inputs.posture === undefined
        ? ['a posture were reported, fresh and with every criterion true']
        : ['the posture were fresh and every criterion true']),
    ...(canSignIn ? ['the user signed in with more than one factor'] : []),
  ];
  return {
    condition: conditions.join(', and '),
    apply: (now) => {
      const healthy = slice.usesPosture ? goodPosture(now) : now;
      return canSignIn ? afterSigningIn(healthy, challengeWords) : healthy;
    },
  };
}

/**
 * Single changes that were each tried and turn the decision round; where none does, all that is good together, and
 * that with one group. Nothing is listed that was not tried.
 */
export function findCounterfactuals(
  slice: PolicySlice,
  inputs: PolicyInputs,
  decision: Decision,
  stateReason: DenialReason | undefined,
): string[] {
  const wanted = decision.effect === 'allow' ? 'deny' : 'allow';
  const turns = (changed: PolicyInputs): boolean => judge(slice, changed).effect === wanted;
  const verb = wanted === 'allow' ? 'Allowed' : 'Denied';
  const mend = stateReason === undefined ? undefined : mends[stateReason];
  if (stateReason !== undefined && mend === undefined) return [];
  if (mend !== undefined && turns(inputs)) return [`${verb} if ${mend}.`];

  const prefix = `${verb} if ${mend === undefined ? '' : `${mend}, and `}`;
  const groups = groupChanges(slice, inputs);
  const tried = [...postureChanges(slice, inputs), ...groups];
  if (wanted === 'deny') tried.push(...signInChanges(slice, inputs));
  const single = tried
    .filter(({ apply }) => turns(apply(inputs)))
    .map(({ condition }) => `${prefix}${condition}.`);
  if (decision.effect === 'challenge') return [describeChallenge(decision, inputs), ...single];
  if (single.length > 0 || wanted === 'deny') return single;
  const good = allGood(slice, inputs);
  if (good === undefined) return [];
  if (turns(good.apply(inputs))) return [`${prefix}${good.condition}.`];
  return groups
    .filter(({ apply }) => turns(apply(good.apply(inputs))))
    .map(({ condition }) => `${prefix}${good.condition}, and ${condition}.`);
}
