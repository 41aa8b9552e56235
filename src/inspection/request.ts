/** A request as its application will get it. Texts are octets: strings of characters up to U+00FF. */
export interface InspectedRequest {
  readonly method: string;
  /** Path and query, as received. */
  readonly target: string;
  readonly protocol: 'HTTP/1.0' | 'HTTP/1.1' | 'HTTP/2.0';
  /** Names in lower case and values, flat. */
  readonly fields: readonly string[];
  readonly clientAddress: string;
  /** As much of it as is looked at; empty where there is none. */
  readonly body: string;
  /** Whether the body goes on. */
  readonly isBodyCut: boolean;
}

/** What was found, and never what it was found in. */
export interface InspectionReport {
  /** The sum over what was found, as the rules weigh it. */
  readonly score: number;
  readonly findings: readonly Finding[];
  /** Why the body told the rules nothing: it is packed, or of a type that is not read. */
  readonly unread?: 'encoded' | 'opaque';
}

export interface Finding {
  /** Of the rule. */
  readonly id: string;
  /** What the rule says it finds. */
  readonly message: string;
}

/** What of the rules counts for an application. */
export interface InspectionProfile {
  /** 1 to 4: how much is suspected, and how much that is ordinary is suspected with it. */
  readonly paranoia: number;
  readonly exclusions: readonly Exclusion[];
}

/** Rules that are not asked: everywhere, under some paths, of some arguments. */
export interface Exclusion {
  /** Ids, or ranges of them such as `942000-942999`; every rule without. */
  readonly rules?: readonly string[];
  /** Exact, or with `*` at the end everything that begins so. */
  readonly paths?: readonly string[];
  /** By name, as in a form, a query or under its path in JSON (`json.a.b`). */
  readonly arguments?: readonly string[];
}
