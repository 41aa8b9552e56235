import { homedir, platform } from 'node:os';
import type { Clock } from '../clock.ts';
import { postureChecks } from './checks.ts';
import { keepFinding } from './keep-finding.ts';
import { identifySystem } from './os-release.ts';
import { watchPacketFilter } from './packet-filter.ts';
import { unknown } from './posture-check.ts';
import type { CheckContext, Finding, PlatformCheck, PostureCheck } from './posture-check.ts';
import { buildPosture, watchByMeasuring } from './posture-provider.ts';
import type { Findings, PostureProvider } from './posture-provider.ts';
import { publishedFindingsFile, readPublishedFinding } from './published-findings.ts';
import { runTrusted } from './run-trusted.ts';
import type { RunOptions } from './run-trusted.ts';
import { createSystemFiles, glanceAt } from './system-files.ts';

/** How often we look whether something changed. */
const glanceIntervalMs = 4000;
const commandLimitMs = 4500;

/** This machine, as checks see it. */
function systemContext(packetFilterVersion: () => number): (clock: Clock) => CheckContext {
  const files = createSystemFiles();
  const uid = process.geteuid?.();
  return (clock) => ({
    files,
    platform: platform(),
    uid,
    homeDirectory: homedir(),
    privileged: uid === 0,
    now: new Date(clock.now()),
    run: (path, args, options) => runTrusted(path, args, { timeoutMs: commandLimitMs, ...options }),
    packetFilterVersion,
  });
}

/** Nobody waits for the end of such a run (see keep-finding.ts), so neither does a command that has said all it had to. */
const longRun = (timeoutMs: number): RunOptions => ({ timeoutMs, holdsProcess: false });

/** A check as it is made by whoever we run as: what only root can tell, the helper has published, where one runs. */
function asWhoWeAre(criterion: PostureCheck['criterion'], check: PlatformCheck): PlatformCheck {
  const { limitMs } = check;
  return {
    ...check,
    async check(context) {
      const isForUs = check.needsRoot !== true || context.privileged;
      const published = isForUs
        ? undefined
        : await readPublishedFinding(context.files, criterion, context.now);
      const run: CheckContext['run'] = (path, args, options) =>
        context.run(path, args, { ...(limitMs === undefined ? {} : longRun(limitMs)), ...options });
      return published ?? check.check({ ...context, run });
    },
    async glance(context) {
      const own = (await check.glance?.(context)) ?? '';
      return check.needsRoot === true && !context.privileged
        ? `${own} ${await glanceAt(context.files, [publishedFindingsFile])}`
        : own;
    },
  };
}

/** The laptop itself. What is cheap to look at is looked at each time; what is not, when something of it changed. */
export function laptopPosture(
  clock: Clock,
  checks: readonly PostureCheck[] = postureChecks,
  onPacketFilter: () => void = () => {},
): PostureProvider {
  let filterVersion = 0;
  const contextNow = systemContext(() => filterVersion);
  const context = (): CheckContext => contextNow(clock);
  return watchedPosture(clock, context, checks, (signal) =>
    context().privileged && platform() === 'linux'
      ? watchPacketFilter(() => {
          filterVersion += 1;
          onPacketFilter();
        }, signal)
      : Promise.resolve(),
  );
}

/** The same of any system that a context shows. `listen` runs beside the watch, for what the kernel tells by itself. */
export function watchedPosture(
  clock: Clock,
  context: () => CheckContext,
  checks: readonly PostureCheck[] = postureChecks,
  listen: (signal: AbortSignal) => Promise<void> = () => Promise.resolve(),
): PostureProvider {
  const kept = checks.map(({ criterion, platforms }) => {
    const system = context().platform;
    const check = platforms[system];
    const none = { current: () => Promise.resolve(unknown(`no check for ${system}`)) };
    return {
      criterion,
      finding: check === undefined ? none : keepFinding(asWhoWeAre(criterion, check), context, clock),
    };
  });
  const measure: PostureProvider['measure'] = async ({ fresh = false } = {}) => {
    const { files, platform: system } = context();
    const [identity, ...findings] = await Promise.all([
      identifySystem(files, system),
      ...kept.map(
        async ({ criterion, finding }): Promise<[string, Finding]> => [
          criterion,
          await finding.current(fresh),
        ],
      ),
    ]);
    return buildPosture(clock, identity, Object.fromEntries(findings) as Findings);
  };
  return {
    measure,
    watch: async (onChange, signal) => {
      await Promise.all([
        watchByMeasuring(() => measure(), clock, glanceIntervalMs)(onChange, signal),
        listen(signal),
      ]);
    },
  };
}
