import { BoundedMap } from '../bounded-map.ts';
import type { Detection } from '../detection.ts';

const leastDevices = 3;
const withinMs = 86_400_000;

interface Known {
  readonly seen: readonly (readonly [at: number, device: string, flow: string])[];
}

/**
 * Tunnels that are not what their application speaks, from several laptops within a day: one is a mistake, and is a finding of its own
 * (`tunnel-other-protocol`); several are a program that hides in it.
 */
export const disguisedTunnels: Detection = {
  rule: 'tunnels-disguised',
  title: 'Tunnels of several laptops are not what they claim',
  severity: 'high',
  start(_, saved) {
    const apps = new BoundedMap<Known>(2000, saved);
    return {
      see({ kind, rule, at, device, app, evidence }) {
        if (kind !== 'finding' || rule !== 'tunnel-other-protocol') return undefined;
        if (device === undefined || app === undefined) return undefined;
        // One of each laptop is enough, the latest.
        const seen = [
          ...(apps.get(app)?.seen ?? []).filter(([when, other]) => when > at - withinMs && other !== device),
          [at, device, evidence[0] ?? ''] as const,
        ].slice(-100);
        apps.set(app, { seen });
        const [first] = seen;
        if (seen.length < leastDevices || first === undefined) return undefined;
        return {
          key: app,
          description: `Within a day, tunnels to ${app} from ${seen.length} laptops were not what the application speaks: ${seen
            .slice(0, 5)
            .map(([, id]) => id)
            .join(', ')}.`,
          firstSeenAt: first[0],
          flows: seen.map(([, , id]) => id).filter((id) => id !== ''),
          counts: { laptops: seen.length },
          app,
        };
      },
      save: () => apps.save(),
    };
  },
};
