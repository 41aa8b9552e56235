import { countOf } from '../../domain/count-of.ts';
import { BoundedMap } from '../bounded-map.ts';
import type { Detection } from '../detection.ts';

const least = 6;
const withinMs = 3_600_000;

interface Known {
  /** Epoch seconds. */
  readonly measuredAt: number;
  readonly checks: Readonly<Record<string, boolean>>;
  /** When which check changed, with the flow that showed it; the last `least` of them. */
  readonly changes: readonly (readonly [at: number, check: string, flow: string])[];
}

/** A check of a laptop's posture that goes back and forth: somebody turns protection off when nobody looks, or it breaks. */
export const postureFlaps: Detection = {
  rule: 'posture-flaps',
  title: 'Posture goes back and forth',
  severity: 'low',
  start(_, saved) {
    const devices = new BoundedMap<Known>(20_000, saved);
    return {
      see({ posture, at, flow, user, device }) {
        if (posture === undefined || device === undefined) return undefined;
        const before = devices.get(device);
        if (before !== undefined && posture.measuredAt <= before.measuredAt) return undefined;
        const certain = Object.entries(posture.checks).filter(
          (entry): entry is [string, boolean] => typeof entry[1] === 'boolean',
        );
        // What is not known now is as it was last known.
        const checks = { ...before?.checks, ...Object.fromEntries(certain) };
        const changed = certain.filter(([name, value]) => (before?.checks[name] ?? value) !== value);
        const changes = [...(before?.changes ?? []), ...changed.map(([name]) => [at, name, flow] as const)]
          .filter(([when]) => when > at - withinMs)
          .slice(-least);
        devices.set(device, { measuredAt: posture.measuredAt, checks, changes });
        const [first] = changes;
        if (changed.length === 0 || changes.length < least || first === undefined) return undefined;
        const names = [...new Set(changes.map(([, name]) => name))];
        return {
          key: device,
          description: `The posture of laptop ${device} changed ${changes.length} times within ${countOf(Math.max(1, Math.round((at - first[0]) / 60_000)), 'minute')}: ${names.join(', ')}.`,
          firstSeenAt: first[0],
          flows: [...new Set(changes.map(([, , id]) => id))],
          counts: { changes: changes.length, checks: names.length },
          user,
          device,
        };
      },
      save: () => devices.save(),
    };
  },
};
