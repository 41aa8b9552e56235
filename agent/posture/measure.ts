import { homedir, platform } from 'node:os';
import type { PostureChecks, PostureReport } from '../../src/contract/posture.ts';
import { describeError } from '../agent-error.ts';
import type { Clock } from '../clock.ts';
import { startStopwatch } from '../clock.ts';
import { agentVersion } from '../version.ts';
import { postureChecks } from './checks.ts';
import { identifySystem } from './os-release.ts';
import { unknown } from './posture-check.ts';
import type { CheckContext, Finding, PostureCheck, PostureCriterion } from './posture-check.ts';
import { runTrusted } from './run-trusted.ts';
import { createSystemFiles } from './system-files.ts';

export interface MeasuredPosture {
  /** For the control plane; the age is that of the moment it is called. */
  report(): PostureReport;
  readonly findings: Readonly<Record<PostureCriterion, Finding>>;
}

/** Where posture comes from. Passed in, so that tests and the demo can stand for other laptops. */
export interface PostureProvider {
  measure(): Promise<MeasuredPosture>;
}

const limitMs = 5000;

/** A check that throws or hangs says `unknown` and why; the others are not held up by it. */
export async function runCheck(
  check: PostureCheck,
  context: CheckContext,
  timeoutMs = limitMs,
): Promise<Finding> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<Finding>((resolve) => {
    timer = setTimeout(() => resolve(unknown('the check took too long')), timeoutMs);
  });
  try {
    return await Promise.race([check.check(context), limit]);
  } catch (error) {
    return unknown(describeError(error));
  } finally {
    clearTimeout(timer);
  }
}

/** Assembles a measurement out of findings made now. */
export function buildPosture(
  clock: Clock,
  system: { readonly os: string; readonly osVersion: string },
  findings: Readonly<Record<PostureCriterion, Finding>>,
  version = agentVersion,
): MeasuredPosture {
  const age = startStopwatch(clock);
  const checks = Object.fromEntries(
    Object.entries(findings).map(([criterion, finding]) => [criterion, finding.value]),
  ) as PostureChecks;
  return {
    findings,
    report: () => ({
      ageSeconds: Math.min(86_400, Math.floor(age())),
      ...system,
      agentVersion: version,
      checks,
    }),
  };
}

/** The laptop itself, measured anew at each call. */
export function laptopPosture(clock: Clock): PostureProvider {
  const context = (): CheckContext => ({
    files: createSystemFiles(),
    platform: platform(),
    homeDirectory: homedir(),
    privileged: process.geteuid?.() === 0,
    now: new Date(clock.now()),
    run: (path, args) => runTrusted(path, args, limitMs),
  });
  return {
    async measure() {
      const found = context();
      const [system, ...results] = await Promise.all([
        identifySystem(found.files, found.platform),
        ...postureChecks.map(async (check) => [check.criterion, await runCheck(check, found)] as const),
      ]);
      return buildPosture(clock, system, Object.fromEntries(results) as Record<PostureCriterion, Finding>);
    },
  };
}
