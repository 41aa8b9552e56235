import type { ControlState } from '../../src/domain/control-state.ts';
import type { AccessFacts } from '../../src/domain/decision.ts';
import type { Device } from '../../src/domain/device.ts';
import type { AppName, DeviceId, NetworkName, UserName } from '../../src/domain/ids.ts';
import { postureCriteria } from '../../src/domain/posture.ts';
import type { Posture, PostureCriterion, PostureValue } from '../../src/domain/posture.ts';
import type { App, Group, Policy } from '../../src/domain/resources.ts';
import { createPolicyEngine } from '../../src/policy/engine.ts';
import type { PolicyEngine } from '../../src/policy/engine.ts';

/** Epoch seconds: a Wednesday in 2026, 09:20:00 UTC. */
export const now = Date.parse('2026-11-25T09:20:00Z') / 1000;

/** The policy of the contract, as it stands there. */
export const contractPolicy = `permit (principal in Group::"finance", action == Action::"access", resource == App::"grants")
  when { context.posture.diskEncrypted && context.posture.ageSeconds < 600 };`;

export const app = (name = 'grants', network = 'finance'): App => ({
  kind: 'App',
  name,
  network,
  host: `${name}.apps.example.org`,
  protocol: 'http',
  upstreams: ['http://10.0.0.2:8080'],
});

export const policy = (name: string, cedar: string, mode?: 'enforce' | 'shadow'): Policy => ({
  kind: 'Policy',
  name,
  cedar,
  ...(mode === undefined ? {} : { mode }),
});

export const group = (name: string, members: Group['members']): Group => ({ kind: 'Group', name, members });

export const device = (changes: Partial<Device> = {}): Device => ({
  id: 'laptop-1' as DeviceId,
  user: 'alice@example.org' as UserName,
  role: 'laptop',
  state: 'active',
  enrolledAt: now - 86_400,
  changedAt: now - 86_400,
  certificates: [{ serial: '0A', thumbprint: 'thumbprint-1', notAfter: now + 86_400 }],
  ...changes,
});

export interface StateParts {
  readonly policies?: readonly Policy[];
  readonly apps?: readonly App[];
  readonly groups?: readonly Group[];
  readonly devices?: readonly Device[];
  readonly sequence?: number;
}

/** A state of one application, one laptop and one group that has its user in it, but for what is named. */
export const stateOf = (parts: StateParts = {}): ControlState => {
  const apps = parts.apps ?? [app()];
  const named = <Key, Value extends { name: string }>(values: readonly Value[]): Map<Key, Value> =>
    new Map(values.map((value) => [value.name as Key, value]));
  return {
    head: { sequence: parts.sequence ?? 7, hash: 'abcdef0123456789'.repeat(4) },
    domain: 'example.org',
    devices: new Map((parts.devices ?? [device()]).map((each) => [each.id, each])),
    deviceHistory: new Map(),
    networks: new Map(
      [...new Set(apps.map(({ network }) => network))].map((name) => [
        name as NetworkName,
        { kind: 'Network', name, attach: { direct: true } },
      ]),
    ),
    apps: named<AppName, App>(apps),
    groups: named<string, Group>(parts.groups ?? [group('finance', ['alice@example.org'])]),
    policies: named<string, Policy>(parts.policies ?? [policy('finance-grants', contractPolicy)]),
    administrators: new Map(),
    firewalls: new Map(),
    enrollmentTokens: new Map(),
    apiKeys: new Map(),
    endedSignIns: new Map(),
    erasedPeople: new Map(),
    proposals: new Map(),
    signingKeys: new Map(),
    lostTimes: [],
  };
};

export interface FactParts {
  readonly user?: string;
  readonly claims?: Record<string, readonly string[]>;
  readonly device?: string;
  readonly tokenDevice?: string;
  readonly thumbprint?: string;
  readonly expiresAt?: number;
  readonly issuedAt?: number;
  /** `null` for none. */
  readonly posture?: Partial<Omit<Posture, 'checks'>> | null;
  readonly checks?: Partial<Record<PostureCriterion, PostureValue>>;
  /** None unless given. */
  readonly signIn?: { readonly at: number; readonly mfa?: boolean };
  readonly app?: App;
  readonly method?: string;
  readonly path?: string;
  readonly sourceAddress?: string;
  readonly now?: number;
}

/** Alice on her healthy laptop, asking for grants; the posture was measured a minute before. */
export const factsOf = (parts: FactParts = {}): AccessFacts => {
  const id = (parts.device ?? 'laptop-1') as DeviceId;
  const asked = parts.app ?? app();
  const good = Object.fromEntries(postureCriteria.map((name) => [name, true])) as Posture['checks'];
  return {
    subject: {
      certificate: {
        device: id,
        serial: '0A',
        thumbprint: parts.thumbprint ?? 'thumbprint-1',
        issuer: 'CN=Device authority',
        notBefore: now - 86_400,
        notAfter: now + 86_400,
      },
      token: {
        id: 'token-0000000000000001',
        user: (parts.user ?? 'alice@example.org') as UserName,
        device: (parts.tokenDevice ?? id) as DeviceId,
        claims: parts.claims ?? {},
        posture:
          parts.posture === null
            ? undefined
            : {
                measuredAt: now - 60,
                os: 'linux',
                osVersion: '13',
                agentVersion: '0.1.0',
                ...parts.posture,
                checks: { ...good, ...parts.checks },
              },
        ...(parts.signIn === undefined ? {} : { signIn: { id: 'sign-in-1', mfa: false, ...parts.signIn } }),
        issuedAt: parts.issuedAt ?? now - 30,
        expiresAt: parts.expiresAt ?? now + 570,
      },
    },
    app: asked,
    request: {
      method: parts.method ?? 'GET',
      path: parts.path ?? '/',
      host: asked.host,
      sourceAddress: parts.sourceAddress ?? '192.0.2.10',
    },
    now: parts.now ?? now,
  };
};

/** An engine that has loaded a state. */
export const engineOf = (parts: StateParts = {}): PolicyEngine => {
  const engine = createPolicyEngine();
  engine.load(stateOf(parts));
  return engine;
};

const version = '7-abcdef01';
export const allowed = (...policies: string[]) => ({ effect: 'allow', policies, policyVersion: version });
export const denied = (reasons: readonly string[], ...policies: string[]) => ({
  effect: 'deny',
  reasons,
  policies,
  policyVersion: version,
});
