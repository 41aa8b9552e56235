import { BoundedMap } from '../bounded-map.ts';
import type { Detection } from '../detection.ts';

const dayMs = 86_400_000;
const mostFingerprints = 16;
/** What so many laptops have is a new version of the agent, and no stolen key. */
const usualFrom = 5;

interface Known {
  readonly since: number;
  readonly fingerprints: readonly string[];
}

/** A laptop's certificate in the hands of another program: its TLS looks otherwise than it ever did. */
export const newFingerprint: Detection = {
  rule: 'client-fingerprint-new',
  title: 'A laptop with another TLS client than ever',
  severity: 'medium',
  start({ learnDays }, saved) {
    const { devices: savedDevices, counts: savedCounts } = (saved ?? {}) as Record<string, unknown>;
    const devices = new BoundedMap<Known>(20_000, savedDevices);
    /** How many laptops have each. */
    const counts = new BoundedMap<number>(5000, savedCounts);
    return {
      see({ ja4, at, flow, user, device, kind }) {
        if (ja4 === undefined || device === undefined || kind === 'finding') return undefined;
        const known = devices.get(device) ?? { since: at, fingerprints: [] };
        if (known.fingerprints.includes(ja4)) {
          devices.set(device, known);
          return undefined;
        }
        const fingerprints = [...known.fingerprints, ja4].slice(-mostFingerprints);
        devices.set(device, { ...known, fingerprints });
        const others = counts.get(ja4) ?? 0;
        counts.set(ja4, others + 1);
        const isLearning = known.fingerprints.length === 0 || at - known.since < learnDays * dayMs;
        if (isLearning || others >= usualFrom) return undefined;
        return {
          key: JSON.stringify([device, ja4]),
          description: `Laptop ${device} connected with the TLS fingerprint ${ja4}, which it never had before, and ${others} other laptops have.`,
          firstSeenAt: at,
          flows: [flow],
          counts: { knownFingerprints: known.fingerprints.length, otherLaptops: others },
          user,
          device,
        };
      },
      save: () => ({ devices: devices.save(), counts: counts.save() }),
    };
  },
};
