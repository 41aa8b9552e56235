import type { DetectionRule } from '../contract/sinks.ts';
import type { Finding } from '../domain/finding.ts';

/** What detections look at of a record. Times are epoch milliseconds, and come nearly in order. */
export interface Seen {
  readonly kind: 'request' | 'tunnel' | 'traffic' | 'sign-in' | 'finding';
  readonly at: number;
  readonly flow: string;
  readonly isDenied: boolean;
  /** Code of the refusal, where there is one. */
  readonly refusal: string | undefined;
  /** As the record calls the user: a pseudonym is another one each month. */
  readonly user: string | undefined;
  readonly device: string | undefined;
  readonly app: string | undefined;
  /** Numeric, of the client. */
  readonly address: string | undefined;
  /** Both ways, and each byte once. */
  readonly bytes: number;
  /** Fingerprint of the client's TLS, where the record has it. */
  readonly ja4: string | undefined;
  readonly posture:
    | { readonly measuredAt: number; readonly checks: Readonly<Record<string, unknown>> }
    | undefined;
  /** Of a finding: which rule, and the flows that show it. */
  readonly rule: string | undefined;
  readonly evidence: readonly string[];
}

/** Something that a detection found; what is found again of one `key` is the same situation. */
export interface Found {
  readonly key: string;
  /** One or two sentences, with the numbers, that a person can check. */
  readonly description: string;
  readonly firstSeenAt: number;
  readonly flows: readonly string[];
  readonly counts: Readonly<Record<string, number>>;
  readonly user?: string | undefined;
  readonly device?: string | undefined;
  readonly app?: string | undefined;
}

/** A place on earth, in degrees. */
export interface Place {
  readonly name: string;
  readonly latitude: number;
  readonly longitude: number;
}

export interface DetectionContext {
  /** Days of records that a habit takes. */
  readonly learnDays: number;
  /** Undefined where nothing is known of an address. */
  readonly placeOf: (address: string) => Place | undefined;
}

/** One thing that is looked for, one a file in rules/. */
export interface Detection {
  /** Stable and kebab-case: settings, searches and Sigma rules go by it. */
  readonly rule: DetectionRule;
  readonly title: string;
  readonly severity: Finding['severity'];
  /** `saved`: what `save` gave before the process ended; undefined at first, and then it has to learn. */
  start(context: DetectionContext, saved: unknown): RunningDetection;
}

export interface RunningDetection {
  see(seen: Seen): Found | undefined;
  /** As JSON; its size is bounded. */
  save(): unknown;
}
