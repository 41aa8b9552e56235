import { isPseudonym } from '../../contract/session-token.ts';
import { countOf } from '../../domain/count-of.ts';
import { BoundedMap } from '../bounded-map.ts';
import type { Detection } from '../detection.ts';

const dayMs = 86_400_000;

/**
 * The first use of an application by somebody whose habits are known. Where records have pseudonyms, which change each
 * month, the laptop stands for the person.
 */
export const firstUse: Detection = {
  rule: 'app-first-use',
  title: 'First use of an application',
  severity: 'informational',
  start({ learnDays }, saved) {
    const { people: savedPeople, uses: savedUses } = (saved ?? {}) as Record<string, unknown>;
    /** Since when each is known. */
    const people = new BoundedMap<number>(50_000, savedPeople);
    const uses = new BoundedMap<1>(500_000, savedUses);
    return {
      see({ kind, isDenied, at, flow, user, device, app }) {
        if (isDenied || app === undefined || user === undefined) return undefined;
        if (kind !== 'request' && kind !== 'tunnel') return undefined;
        const who = isPseudonym(user) ? device : user;
        if (who === undefined) return undefined;
        const since = people.get(who);
        people.set(who, since ?? at);
        const use = JSON.stringify([who, app]);
        const isKnown = uses.get(use) !== undefined;
        uses.set(use, 1);
        if (isKnown || since === undefined || at - since < learnDays * dayMs) return undefined;
        const days = Math.floor((at - since) / dayMs);
        return {
          key: use,
          description: `${user} used ${app} for the first time in the ${countOf(days, 'day')} of which there is a memory.`,
          firstSeenAt: at,
          flows: [flow],
          counts: { daysKnown: days },
          user,
          device,
          app,
        };
      },
      save: () => ({ people: people.save(), uses: uses.save() }),
    };
  },
};
