import type { PostureCriterion } from '../../src/contract/posture.ts';
import type { RunOptions } from './run-trusted.ts';
import type { SystemFiles } from './system-files.ts';

export type { PostureCriterion };

/** What a check found. `unknown` is never true to a policy; the reason tells people why. */
export interface Finding {
  readonly value: boolean | 'unknown';
  readonly reason: string;
  /** Files by whose change this finding may be another, where only the check itself knows them. */
  readonly watch?: readonly string[];
}

export interface CheckContext {
  readonly files: SystemFiles;
  readonly platform: NodeJS.Platform;
  /** Whom we run as; undefined where the system has no such numbers. */
  readonly uid: number | undefined;
  readonly homeDirectory: string;
  /** Whether we run as root: some facts are for root only. */
  readonly privileged: boolean;
  readonly now: Date;
  /** Runs a trusted program (see run-trusted.ts) and returns its output. */
  readonly run: (path: string, args: readonly string[], options?: RunOptions) => Promise<string>;
  /** Changes with the rules of the packet filter, where somebody listens to the kernel for them. */
  readonly packetFilterVersion: () => number;
}

/** How a criterion is found out on one system. */
export interface PlatformCheck {
  /** In one line, for docs/posture.md. */
  readonly how: string;
  /** Throws when it cannot tell; the caller makes that `unknown`. */
  check(context: CheckContext): Promise<Finding>;
  /**
   * A few cheap reads whose outcome changes when that of the check may have. It is asked every few seconds, for as long
   * as the machine runs: no commands, no large files, no walks.
   */
  glance?(context: CheckContext): Promise<string>;
  /** How long a finding stands while no glance sees a change. */
  readonly keepSeconds: number;
  /** Only root can tell; for others the helper that runs as root publishes it (published-findings.ts). */
  readonly needsRoot?: boolean;
  /** Where it may take longer than others. */
  readonly limitMs?: number;
}

export interface PostureCheck {
  readonly criterion: PostureCriterion;
  readonly platforms: Readonly<Partial<Record<NodeJS.Platform, PlatformCheck>>>;
}

export const unknown = (reason: string): Finding => ({ value: 'unknown', reason });
export const yes = (reason: string): Finding => ({ value: true, reason });
export const no = (reason: string): Finding => ({ value: false, reason });

/** All of several facts: the first that is false, else the first that is unknown, else what `all` says. */
export function allOf(findings: readonly Finding[], all: string): Finding {
  const first =
    findings.find(({ value }) => value === false) ?? findings.find(({ value }) => value !== true) ?? yes(all);
  return { ...first, watch: findings.flatMap(({ watch = [] }) => watch) };
}
