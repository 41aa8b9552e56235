import { BoundedMap } from '../bounded-map.ts';
import type { Detection } from '../detection.ts';

const hourMs = 3_600_000;
const leastBytes = 1024 ** 3;
/** Hours in which it carried something, before a laptop has a habit. */
const leastHours = 24;
const timesUsual = 10;
const deviations = 6;
/** Older hours count less and less: a habit is what was so for a few weeks. */
const mostHours = 300;
const mostFlows = 10;

interface Volume {
  /** Epoch hours. */
  readonly hour: number;
  readonly bytes: number;
  /** The flows of this hour that carried most. */
  readonly flows: readonly (readonly [flow: string, bytes: number])[];
  readonly hours: number;
  readonly mean: number;
  readonly variance: number;
}

/** A laptop that carries far more in an hour than it ever does: a copy of everything, on its way in or out. */
export const unusualVolume: Detection = {
  rule: 'volume-unusual',
  title: 'Far more data than usual',
  severity: 'medium',
  start(_, saved) {
    const volumes = new BoundedMap<Volume>(20_000, saved);
    return {
      see({ at, flow, bytes, user, device }) {
        if (device === undefined || bytes <= 0) return undefined;
        const hour = Math.floor(at / hourMs);
        const known = volumes.get(device);
        const before = known === undefined || hour > known.hour ? nextHour(known, hour) : known;
        const flows = addFlow(before.flows, flow, bytes);
        const now = { ...before, bytes: before.bytes + bytes, flows };
        volumes.set(device, now);
        const most = Math.max(
          leastBytes,
          now.mean * timesUsual,
          now.mean + deviations * Math.sqrt(now.variance),
        );
        if (now.hours < leastHours || now.bytes <= most) return undefined;
        const [megabytes, usual] = [now.bytes, now.mean].map((count) => Math.round(count / 1024 ** 2));
        return {
          key: JSON.stringify([device, now.hour]),
          description: `Laptop ${device} carried ${megabytes} MiB within an hour; in the ${now.hours} hours before in which it carried something, it was ${usual} MiB on average.`,
          firstSeenAt: now.hour * hourMs,
          flows: flows.map(([id]) => id),
          counts: { megabytes: megabytes ?? 0, usualMegabytes: usual ?? 0, hoursKnown: now.hours },
          user,
          device,
        };
      },
      save: () => volumes.save(),
    };
  },
};

/** The hour that is over becomes part of the habit. */
function nextHour(known: Volume | undefined, hour: number): Volume {
  if (known === undefined) return { hour, bytes: 0, flows: [], hours: 0, mean: 0, variance: 0 };
  const hours = Math.min(known.hours + 1, mostHours);
  const difference = known.bytes - known.mean;
  const mean = known.mean + difference / hours;
  const variance = known.variance + (difference * (known.bytes - mean) - known.variance) / hours;
  return { hour, bytes: 0, flows: [], hours, mean, variance };
}

function addFlow(flows: Volume['flows'], flow: string, bytes: number): Volume['flows'] {
  const before = flows.find(([id]) => id === flow)?.[1] ?? 0;
  return [...flows.filter(([id]) => id !== flow), [flow, before + bytes] as const]
    .sort(([, one], [, other]) => other - one)
    .slice(0, mostFlows);
}
