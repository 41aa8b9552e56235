import { countOf } from '../../domain/count-of.ts';
import { BoundedMap } from '../bounded-map.ts';
import type { Detection } from '../detection.ts';

const least = 30;
const withinMs = 5 * 60_000;

interface Recent {
  /** When, with which flow, and why; the last `least` of them. */
  readonly denials: readonly (readonly [at: number, flow: string, refusal: string])[];
}

/** A laptop, or an address without one, that is refused again and again: somebody tries doors, or something is broken. */
export const refusalBurst: Detection = {
  rule: 'refusal-burst',
  title: 'Refused again and again',
  severity: 'medium',
  start(_, saved) {
    const recent = new BoundedMap<Recent>(10_000, saved);
    return {
      see({ isDenied, at, flow, refusal = 'denied', user, device, address, kind }) {
        const who = device ?? address;
        if (!isDenied || who === undefined || kind === 'finding') return undefined;
        const denials = [...(recent.get(who)?.denials ?? []), [at, flow, refusal] as const]
          .filter(([when]) => when > at - withinMs)
          .slice(-least);
        recent.set(who, { denials });
        const [first] = denials;
        if (denials.length < least || first === undefined) return undefined;
        const reasons = [...Map.groupBy(denials, ([, , reason]) => reason)].map(
          ([reason, all]) => `${reason} (${all.length})`,
        );
        return {
          key: who,
          description: `${device === undefined ? 'A client at ' : 'Laptop '}${who} was refused ${least} times within ${countOf(Math.max(1, Math.round((at - first[0]) / 1000)), 'second')}: ${reasons.join(', ')}.`,
          firstSeenAt: first[0],
          flows: denials.map(([, id]) => id),
          counts: { refusals: denials.length, seconds: Math.round((at - first[0]) / 1000) },
          user,
          device,
        };
      },
      save: () => recent.save(),
    };
  },
};
