/** Something that the security team should look at, and which flows show it (OCSF 2004). */
export interface Finding {
  /** Of the situation: what is told of it again is an update, not another finding. */
  readonly id: string;
  /** Which detection found it: a stable kebab-case name, which searches and switches go by. */
  readonly rule: string;
  readonly title: string;
  readonly description: string;
  readonly severity: 'informational' | 'low' | 'medium' | 'high' | 'critical';
  readonly state: 'new' | 'updated' | 'closed';
  /** Epoch milliseconds, as are the others. */
  readonly at: number;
  readonly firstSeenAt: number;
  readonly lastSeenAt: number;
  readonly user?: string;
  readonly device?: string;
  readonly app?: string;
  /** Ids of flows that show it; the record names the first of them, up to a bound, and says how many there were. */
  readonly flows: readonly string[];
  /** Of a content with malware: what the scanner calls it, and which content it was. */
  readonly malware?: {
    readonly signature: string;
    /** Hexadecimal. */
    readonly sha256: string;
    /** Octets. */
    readonly size: number;
  };
  /** The numbers that made it one, by name, such as how many and how many are usual. */
  readonly counts: Readonly<Record<string, number>>;
}
