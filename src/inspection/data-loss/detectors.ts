import { emailDetector } from './email-address.ts';
import type { Detector } from './detector.ts';
import { ibanDetector } from './iban.ts';
import { createPatternDetector } from './pattern.ts';
import type { NamedPattern } from './pattern.ts';
import { cardDetector } from './payment-card.ts';
import { nirDetector } from './social-security.ts';

/** Kinds of data that are known here; an application may add patterns of its own. */
const known: Readonly<Record<string, Detector>> = {
  iban: ibanDetector,
  card: cardDetector,
  nir: nirDetector,
  email: emailDetector,
};

/** What to look for. */
export interface WantedData {
  /** Of those that are known. */
  readonly kinds: readonly string[];
  /** That compile. */
  readonly patterns: readonly NamedPattern[];
}

export const buildDetectors = ({ kinds, patterns }: WantedData): readonly Detector[] => [
  ...kinds.flatMap((kind) => known[kind] ?? []),
  ...patterns.map(createPatternDetector),
];
