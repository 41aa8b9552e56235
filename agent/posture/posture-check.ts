import type { PostureChecks } from '../../src/contract/posture.ts';
import type { SystemFiles } from './system-files.ts';

export type PostureCriterion = keyof PostureChecks;

/** What a check found. `unknown` is never true to a policy; the reason tells the person at the laptop why. */
export interface Finding {
  readonly value: boolean | 'unknown';
  readonly reason: string;
}

export interface CheckContext {
  readonly files: SystemFiles;
  readonly platform: NodeJS.Platform;
  readonly homeDirectory: string;
  /** Whether we run as root: some facts are for root only. */
  readonly privileged: boolean;
  readonly now: Date;
  /** Runs a trusted program (see run-trusted.ts) and returns its output. */
  readonly run: (path: string, args: readonly string[]) => Promise<string>;
}

export interface PostureCheck {
  readonly criterion: PostureCriterion;
  /** Throws when it cannot tell; the caller makes that `unknown`. */
  check(context: CheckContext): Promise<Finding>;
}

export const unknown = (reason: string): Finding => ({ value: 'unknown', reason });
