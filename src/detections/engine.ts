import { createHash } from 'node:crypto';
import type { Finding } from '../domain/finding.ts';
import { BoundedMap } from './bounded-map.ts';
import type { Detection, DetectionContext, Found, RunningDetection, Seen } from './detection.ts';

/** Looks at records one by one, and says what it found. Its state is bounded, and survives as JSON. */
export interface DetectionEngine {
  /**
   * `origin` and `number`: which chain the record is of, and its number there; one that was seen is not read again.
   * `read` gives what there is to see of it, if anything.
   */
  see(read: () => Seen | undefined, origin: string, number: number): readonly Finding[];
  save(): unknown;
}

/** As long may nothing come of a situation before what comes then is another one. */
const quietMs = 3_600_000;
/** A situation that goes on is told again so often. */
const tellEveryMs = 600_000;
const mostFlows = 100;

interface Situation {
  readonly id: string;
  readonly firstSeenAt: number;
  readonly lastSeenAt: number;
  readonly toldAt: number;
}

/** @param saved what `save` gave before; anything else is a beginning from nothing */
export function createDetectionEngine(
  detections: readonly Detection[],
  context: DetectionContext,
  saved?: unknown,
): DetectionEngine {
  const {
    origins,
    situations: savedSituations,
    rules = {},
  } = (saved ?? {}) as {
    readonly origins?: unknown;
    readonly situations?: unknown;
    readonly rules?: Readonly<Record<string, unknown>>;
  };
  const lastOf = new BoundedMap<number>(1000, origins);
  const situations = new BoundedMap<Situation>(5000, savedSituations);
  const running = detections.map((detection): readonly [Detection, RunningDetection] => [
    detection,
    detection.start(context, rules[detection.rule]),
  ]);

  function tell(detection: Detection, found: Found, at: number): Finding | undefined {
    const key = JSON.stringify([detection.rule, found.key]);
    const before = situations.get(key);
    const known = before !== undefined && at - before.lastSeenAt <= quietMs ? before : undefined;
    const isTold = known === undefined || at - known.toldAt >= tellEveryMs;
    const situation: Situation = {
      id: known?.id ?? idOf(key, found.firstSeenAt),
      firstSeenAt: known?.firstSeenAt ?? found.firstSeenAt,
      lastSeenAt: at,
      toldAt: isTold ? at : known.toldAt,
    };
    situations.set(key, situation);
    if (!isTold) return undefined;
    const { user, device, app } = found;
    return {
      id: situation.id,
      rule: detection.rule,
      title: detection.title,
      description: found.description,
      severity: detection.severity,
      state: known === undefined ? 'new' : 'updated',
      at,
      firstSeenAt: situation.firstSeenAt,
      lastSeenAt: at,
      flows: found.flows.slice(0, mostFlows),
      counts: found.counts,
      ...(user === undefined ? {} : { user }),
      ...(device === undefined ? {} : { device }),
      ...(app === undefined ? {} : { app }),
    };
  }

  return {
    see(read, origin, number) {
      if (number <= (lastOf.get(origin) ?? 0)) return [];
      lastOf.set(origin, number);
      const seen = read();
      if (seen === undefined) return [];
      return running.flatMap(([detection, each]) => {
        const found = each.see(seen);
        return found === undefined ? [] : (tell(detection, found, seen.at) ?? []);
      });
    },
    save: () => ({
      origins: lastOf.save(),
      situations: situations.save(),
      // Of those that are off now, the memory is gone when they are turned on again.
      rules: Object.fromEntries(running.map(([{ rule }, each]) => [rule, each.save()])),
    }),
  };
}

/** The same for the same situation, so that one which is told again after a crash is not another one. */
function idOf(key: string, firstSeenAt: number): string {
  const digest = createHash('sha256').update(`${firstSeenAt} ${key}`).digest('hex');
  return `detection-${digest.slice(0, 32)}`;
}
