import { refuse } from '../../contract/refusals.ts';
import type { Direction } from '../../inspection/body-inspector.ts';
import type { ContentInspector } from '../content/content-inspector.ts';
import type { Flow } from '../flow.ts';
import { dataLossProfileOf } from './data-loss-profile.ts';
import type { DataLossScanner } from './data-loss-scanner.ts';
import { LookedAtContent } from './looked-at-content.ts';

/** Notes a content that reached a threshold, for the security team. */
export type NoteDataLoss = (
  flow: Flow,
  direction: Direction,
  isBlocking: boolean,
  counts: Readonly<Record<string, number>>,
) => void;

/** Counts personal and bank data in uploads and downloads. */
export function createDataLossInspector(
  scanner: DataLossScanner | undefined,
  note: NoteDataLoss,
): ContentInspector {
  return {
    name: 'dlp',
    looksAt: (app, direction) => dataLossProfileOf(app).directions.has(direction),
    // In parts a content could be had below every threshold.
    needsWhole: (app) => dataLossProfileOf(app).isBlocking,
    problem: () =>
      scanner === undefined
        ? refuse('inspection-unavailable', 'dlp: postern.yaml has no inspection.dataLoss')
        : undefined,
    open(flow, app, body) {
      const profile = dataLossProfileOf(app);
      const { device } = flow.exchange.connection.certificate;
      const content = scanner?.open(device, body.contentType, profile.wanted);
      return new LookedAtContent(profile, body, content, (counts) =>
        note(flow, body.direction, profile.isBlocking, counts),
      );
    },
  };
}
