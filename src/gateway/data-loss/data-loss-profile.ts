import type { App } from '../../domain/resources.ts';
import { dataKinds, usualThresholds } from '../../domain/data-kinds.ts';
import type { Direction } from '../../inspection/body-inspector.ts';
import type { WantedData } from '../../inspection/data-loss/detectors.ts';

/** What an application wants looked for in its contents, and what then happens. */
export interface DataLossProfile {
  readonly isBlocking: boolean;
  readonly directions: ReadonlySet<Direction>;
  readonly wanted: WantedData;
  /** From so many different ones in one content on it counts as a loss, by kind or name of the pattern. */
  readonly thresholds: ReadonlyMap<string, number>;
}

/** Of what a pattern may find, where it does not say. */
const usualMaxLength = 256;

const profiles = new WeakMap<App, DataLossProfile>();

/** An application's `dataLoss`, with what is not said there: all kinds, both ways, and only a record. */
export function dataLossProfileOf(app: App): DataLossProfile {
  let profile = profiles.get(app);
  if (profile === undefined) {
    const {
      mode = 'record',
      directions = ['uploads', 'downloads'],
      patterns = [],
      ...rest
    } = app.dataLoss ?? {};
    const thresholds = new Map<string, number>();
    for (const kind of dataKinds) {
      const threshold = rest.thresholds?.[kind] ?? usualThresholds[kind];
      if (threshold > 0) thresholds.set(kind, threshold);
    }
    const kinds = [...thresholds.keys()];
    for (const { name, threshold = 1 } of patterns) thresholds.set(name, threshold);
    profile = {
      isBlocking: mode === 'block',
      directions: new Set(directions.map((one) => (one === 'uploads' ? 'upload' : 'download'))),
      wanted: {
        kinds,
        patterns: patterns.map(({ name, pattern, maxLength = usualMaxLength }) => ({
          name,
          pattern,
          maxLength,
        })),
      },
      thresholds,
    };
    profiles.set(app, profile);
  }
  return profile;
}
