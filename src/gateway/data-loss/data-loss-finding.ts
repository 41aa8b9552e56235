import type { Direction } from '../../inspection/body-inspector.ts';
import type { SituationKind } from '../records/situations.ts';

const rule = 'data-loss';
const kinds: Readonly<Record<`${Direction} ${'stopped' | 'passed'}`, SituationKind>> = {
  'upload stopped': {
    rule,
    title: 'Much protected data sent to an application',
    description: 'One content held as much of it as the application does not take; it was stopped.',
    severity: 'medium',
  },
  'upload passed': {
    rule,
    title: 'Much protected data sent to an application, let through',
    description: 'One content held much of it; the application is set to record only, and got it.',
    severity: 'high',
  },
  'download stopped': {
    rule,
    title: 'Much protected data fetched from an application',
    description: 'One content held as much of it as the application does not give out; it was stopped.',
    severity: 'medium',
  },
  'download passed': {
    rule,
    title: 'Much protected data fetched from an application, let through',
    description: 'One content held much of it; the application is set to record only, and gave it out.',
    severity: 'high',
  },
};

/** What the security team is told of a content that reached a threshold. */
export const dataLossFound = (direction: Direction, isBlocking: boolean): SituationKind =>
  kinds[`${direction} ${isBlocking ? 'stopped' : 'passed'}`];
