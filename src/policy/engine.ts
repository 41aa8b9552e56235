import type { ControlState } from '../domain/control-state.ts';
import type { AccessFacts, Challenge, Decision, DenialReason } from '../domain/decision.ts';
import type { Device } from '../domain/device.ts';
import type { AppName } from '../domain/ids.ts';
import type { App } from '../domain/resources.ts';
import type { VerifiedToken } from '../domain/subject.ts';
import { createDecisionTable, createEntryBudget, dropEntries } from './decision-table.ts';
import type { DecisionTable } from './decision-table.ts';
import { explainDecision } from './explain.ts';
import type { Explanation } from './explanation.ts';
import { createGroupMembership } from './group-membership.ts';
import type { GroupSet } from './group-membership.ts';
import { judgeWhole } from './judge-whole.ts';
import { createPolicyReader } from './policy-index.ts';
import { noSignIn } from './policy-inputs.ts';
import type { PolicyInputs } from './policy-inputs.ts';
import { laneOf, lanes } from './lanes.ts';
import type { Lane } from './lanes.ts';
import { policyVersionOf } from './policy-version.ts';
import { sameResource } from './same-resource.ts';
import { compileSlice, releaseSlice } from './slices.ts';
import type { PolicySlice } from './slices.ts';
import { checkState } from './state-checks.ts';

/** The policy decision point. It judges; it reads no clock, socket or disk. Without a state it denies. */
export interface PolicyEngine {
  /** Swaps in a new state, whole. Policies are compiled at the first decision of each application. */
  load(state: ControlState): void;
  /**
   * Judges one access. Equal inputs give the identical object until the next `load`, so that callers may hang
   * caches on a decision. Never throws: what cannot be judged is denied with `policy-error`.
   */
  decide(facts: AccessFacts): Decision;
  /** The same judgement with each policy's part in it, and what would change it. Slow: for people, not for flows. */
  explain(facts: AccessFacts): Explanation;
  /** Whether what a challenge asks for may not be asked of another path or method of the same application. */
  challengeVaries(facts: AccessFacts, challenge: Challenge): boolean;
  /** Whether the passing of time alone can change the policies' answer, token expiry apart. */
  dependsOnTime(facts: AccessFacts): boolean;
  /**
   * Seconds from `facts.now` until time alone can first change the answer (a posture that gets too old, an hour
   * that ends, a token or certificate that expires): a live flow has to be decided again then at the latest. Always
   * above zero.
   */
  nextReviewSeconds(facts: AccessFacts): number;
}

/** Of one application in one lane. */
interface CompiledApp {
  readonly slice: PolicySlice;
  readonly decisions: DecisionTable<Decision>;
}

/** Cached decisions of all applications together; some 200 bytes each. */
const decisionLimit = 50_000;

/** A timer that is set again at once must not turn for ever. */
const shortestReviewSeconds = 0.1;

const areSame = <Item>(one: readonly Item[], other: readonly Item[]): boolean =>
  one.length === other.length && one.every((item, at) => item === other[at]);

/** @param options.cache `false` judges each access anew, for replays and for tests of the cache. */
export function createPolicyEngine(options: { cache?: boolean; decisionLimit?: number } = {}): PolicyEngine {
  const caching = options.cache ?? true;
  const budget = createEntryBudget(options.decisionLimit ?? decisionLimit);
  const readPolicies = createPolicyReader();
  let state: ControlState | undefined;
  let policyVersion = '0-00000000';
  let index = readPolicies([]).index;
  const membership = createGroupMembership();
  const compiled: Record<Lane, Map<string, CompiledApp>> = {
    user: new Map(),
    'quarantined-user': new Map(),
    machine: new Map(),
    'quarantined-machine': new Map(),
  };
  // What is derived from objects of the callers, kept as long as they keep them, and forgotten when it may be otherwise.
  let groupsByToken = new WeakMap<VerifiedToken, GroupSet>();
  let currentApps = new WeakMap<App, boolean>();
  let refusals = new Map<DenialReason, Decision>();

  const refuse = (reason: DenialReason): Decision => {
    let decision = refusals.get(reason);
    if (decision === undefined) {
      decision = { effect: 'deny', reasons: [reason], policies: [], policyVersion };
      refusals.set(reason, decision);
    }
    return decision;
  };

  const isCurrentApp = (app: App): boolean => {
    let current = currentApps.get(app);
    if (current === undefined) {
      const registered = state?.apps.get(app.name as AppName);
      current = registered !== undefined && sameResource(registered, app);
      currentApps.set(app, current);
    }
    return current;
  };

  const compiledFor = (app: App, lane: Lane): CompiledApp => {
    let entry = compiled[lane].get(app.name);
    if (entry === undefined || entry.slice.network !== app.network) {
      if (entry !== undefined) releaseSlice(entry.slice);
      const slice = compileSlice(app, lane, index.policiesFor(app));
      entry = { slice, decisions: createDecisionTable(slice.key.arity, budget) };
      compiled[lane].set(app.name, entry);
    }
    return entry;
  };

  const groupsOf = (token: VerifiedToken): GroupSet => {
    let set = groupsByToken.get(token);
    if (set === undefined) groupsByToken.set(token, (set = membership.groupsOf(token)));
    return set;
  };

  const inputsOf = ({ subject: { token }, request, now }: AccessFacts, device: Device): PolicyInputs => ({
    user: token.user,
    groups: groupsOf(token).names,
    device,
    posture: token.posture,
    signIn: token.signIn ?? noSignIn,
    request,
    now: Math.floor(now),
    vouchedAt: token.issuedAt,
  });

  const isUnchanged = ({ app, network, broken, candidates, shadow, shadowed }: PolicySlice): boolean => {
    const next = index.policiesFor({ name: app, network });
    return (
      broken.size === 0 &&
      (shadow === undefined || shadow.broken.length === 0) &&
      next.unreadable.length + next.unreadableShadow.length === 0 &&
      areSame(next.enforced, candidates) &&
      areSame(next.shadow, shadowed)
    );
  };

  /** Slices stay while their policies do: most movements of the ledger are about devices. */
  const keepSlices = (apps: ControlState['apps'], policiesUnchanged: boolean): void => {
    for (const lane of lanes) {
      for (const [name, { slice }] of compiled[lane]) {
        if (apps.has(name as AppName) && (policiesUnchanged || isUnchanged(slice))) continue;
        releaseSlice(slice);
        compiled[lane].delete(name);
      }
    }
  };

  const decide = (facts: AccessFacts): Decision => {
    if (state === undefined) return refuse('policy-error');
    const { reason, device } = checkState(facts, state, isCurrentApp);
    if (reason !== undefined) return refuse(reason);
    const { slice, decisions } = compiledFor(facts.app, laneOf(device));
    const inputs = inputsOf(facts, device);
    if (!caching) return judgeWhole(slice, inputs, policyVersion).decision;
    const key = slice.key.of(inputs, groupsOf(facts.subject.token), membership);
    let decision = decisions.get(key);
    if (decision === undefined) {
      const judged = judgeWhole(slice, inputs, policyVersion);
      ({ decision } = judged);
      if (judged.keep) decisions.set(key, decision);
    }
    return decision;
  };

  const guarded = (facts: AccessFacts): Decision => {
    try {
      return decide(facts);
    } catch {
      // A trap in the wasm, or a state that nothing foresaw: whatever it is, it does not open the gate.
      return refuse('policy-error');
    }
  };

  return {
    load(next) {
      const read = readPolicies(next.policies.values());
      // Most changes are none of groups, and then those of the tokens in use stand as they are.
      if (membership.update(next.groups)) groupsByToken = new WeakMap();
      index = read.index;
      keepSlices(next.apps, read.unchanged);
      state = next;
      policyVersion = policyVersionOf(next.head);
      currentApps = new WeakMap();
      refusals = new Map();
      dropEntries(budget);
    },
    decide: guarded,
    explain(facts) {
      const decision = guarded(facts);
      if (state === undefined)
        return {
          effect: 'deny',
          reasons: ['policy-error'],
          policies: [],
          wouldChange: [],
          policyVersion,
        };
      const { reason, device } = checkState(facts, state, isCurrentApp);
      const groundsFor = (as: Device): { slice: PolicySlice; inputs: PolicyInputs } => ({
        slice: compiledFor(facts.app, laneOf(as)).slice,
        inputs: inputsOf(facts, as),
      });
      const isKnown = device !== undefined && isCurrentApp(facts.app);
      return explainDecision(decision, {
        stateReason: reason,
        ...(isKnown ? { grounds: groundsFor(device) } : {}),
        ...(isKnown && device.state === 'quarantined'
          ? { released: groundsFor({ ...device, state: 'active' }) }
          : {}),
        shadow: index.policiesFor(facts.app).shadow,
      });
    },
    challengeVaries(facts, { policies: asking }) {
      const device = state?.devices.get(facts.subject.certificate.device);
      if (device === undefined || !isCurrentApp(facts.app)) return true;
      // A forbid that reads the path takes away; only what permits, or what asks here, can make it not be asked there.
      return compiledFor(facts.app, laneOf(device)).slice.policies.some(
        ({ name, effect, usage: { leaves } }) =>
          (effect === 'permit' || asking.includes(name)) &&
          (leaves.has('request.path') || leaves.has('request.method')),
      );
    },
    dependsOnTime(facts) {
      const device = state?.devices.get(facts.subject.certificate.device);
      return (
        device !== undefined &&
        isCurrentApp(facts.app) &&
        compiledFor(facts.app, laneOf(device)).slice.usesTime
      );
    },
    nextReviewSeconds(facts) {
      const { certificate, token } = facts.subject;
      const device = state?.devices.get(certificate.device);
      let until = Math.min(token.expiresAt, certificate.notAfter) - facts.now;
      if (device !== undefined && isCurrentApp(facts.app)) {
        const inputs = inputsOf(facts, device);
        until = Math.min(
          until,
          inputs.now + compiledFor(facts.app, laneOf(device)).slice.secondsToReview(inputs) - facts.now,
        );
      }
      return Math.max(shortestReviewSeconds, until);
    },
  };
}
