import { countOf } from '../../domain/count-of.ts';
import { BoundedMap } from '../bounded-map.ts';
import type { Detection, Place } from '../detection.ts';

/** Faster than that nobody travels, and closer than that an address is not known. */
const kilometersPerHour = 1000;
const leastKilometers = 300;
const hourMs = 3_600_000;

interface Last {
  readonly at: number;
  readonly flow: string;
  readonly place: Place;
}

/** One person signed in at two places, too far apart for the time between. */
export const farSignIns: Detection = {
  rule: 'sign-ins-far-apart',
  title: 'Sign-ins too far apart',
  severity: 'high',
  start({ placeOf }, saved) {
    const last = new BoundedMap<Last>(50_000, saved);
    return {
      see({ kind, isDenied, at, flow, user, device, address }) {
        if (kind !== 'sign-in' || isDenied || user === undefined || address === undefined) return undefined;
        const place = placeOf(address);
        if (place === undefined) return undefined;
        const before = last.get(user);
        last.set(user, { at, flow, place });
        if (before === undefined) return undefined;
        const kilometers = Math.round(distance(before.place, place));
        // Two gateways may tell of the same minute in either order.
        const hours = Math.abs(at - before.at) / hourMs;
        if (kilometers < leastKilometers || kilometers < hours * kilometersPerHour) return undefined;
        const minutes = Math.round(hours * 60);
        return {
          key: JSON.stringify([user, ...[before.place.name, place.name].toSorted()]),
          description: `${user} signed in from ${before.place.name} and, ${countOf(minutes, 'minute')} apart, from ${place.name}, ${kilometers} km away.`,
          firstSeenAt: Math.min(before.at, at),
          flows: [before.flow, flow],
          counts: { kilometers, minutes },
          user,
          device,
        };
      },
      save: () => last.save(),
    };
  },
};

/** In kilometers, along the surface: the haversine formula. */
function distance(one: Place, other: Place): number {
  const radians = (degrees: number): number => (degrees * Math.PI) / 180;
  const height =
    Math.sin(radians(other.latitude - one.latitude) / 2) ** 2 +
    Math.cos(radians(one.latitude)) *
      Math.cos(radians(other.latitude)) *
      Math.sin(radians(other.longitude - one.longitude) / 2) ** 2;
  return 2 * 6371 * Math.asin(Math.min(1, Math.sqrt(height)));
}
