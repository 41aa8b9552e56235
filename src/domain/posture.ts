/** What a posture check found; a check that could not run says `unknown`, which is never `true` to a policy. */
export type PostureValue = boolean | 'unknown';

/**
 * The posture criteria that policies may ask for, in the order that people see them, each with what `true` says. This
 * table is all that there is to one on this side: schema of policies, reports, tokens, records and commands follow it.
 */
const criteria = {
  diskEncrypted: 'system and home lie on an encrypted disk',
  firewallEnabled: 'incoming connections are refused unless something allows them',
  screenLockEnabled: 'the screen of whoever is signed in locks by itself within a quarter of an hour',
  osUpToDate: 'no security update is missing, and none waits for a restart',
  secureBoot: 'the firmware, or the system itself, takes no altered system',
  protectionRunning: 'a protection program that the laptop is configured with runs',
} as const;
export type PostureCriterion = keyof typeof criteria;
export const postureCriteria = Object.keys(criteria) as PostureCriterion[];
export const criterionMeanings: Readonly<Record<PostureCriterion, string>> = criteria;

/** What a laptop tells of itself in words, each with its meaning and how many characters it may have. */
export const postureFacts = {
  os: { meaning: 'such as debian, macos, windows', maxLength: 32 },
  osVersion: { meaning: 'as the system counts: 13, 15.1, 10.0.26100', maxLength: 64 },
  kernelVersion: { meaning: 'of the kernel that runs', maxLength: 128 },
  agentVersion: { meaning: 'of postern-agent', maxLength: 32 },
} as const;
export type PostureFact = keyof typeof postureFacts;
export const postureFactNames = Object.keys(postureFacts) as PostureFact[];

/** How long the sentence may be that says why a check found what it found. */
export const maxReasonCharacters = 200;

/** A laptop's own account of itself. It travels inside the session token, with the time of measurement. */
export interface Posture {
  /** Epoch seconds by the control plane's clock when it accepted the measurement. */
  readonly measuredAt: number;
  readonly os: string;
  readonly osVersion: string;
  /** Empty from an agent, or in a record, of the time before it was asked for. */
  readonly kernelVersion?: string;
  readonly agentVersion: string;
  readonly checks: Readonly<Record<PostureCriterion, PostureValue>>;
}

/** Values as another version of ours wrote them: what it did not know of is unknown, what we do not know of is dropped. */
export const readChecks = (values: Readonly<Record<string, PostureValue>>): Posture['checks'] =>
  Object.fromEntries(
    postureCriteria.map((name) => [name, Object.hasOwn(values, name) ? values[name] : 'unknown']),
  ) as Posture['checks'];
