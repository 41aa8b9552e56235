import type { Anomaly } from '../anomalies.ts';

/** A name and a value, both octets. */
export type Pair = readonly [name: string, value: string];

/** What a body holds, as its application will read it. */
export interface BodyContent {
  /** As rules name the reader. */
  readonly processor: 'URLENCODED' | 'MULTIPART' | 'JSON' | 'XML' | '';
  readonly args: Pair[];
  /** Form fields that are files: name of the field, name of the file. */
  readonly files: Pair[];
  /** Name of the field and one header line of its part. */
  readonly partHeaders: Pair[];
  readonly xmlTexts: string[];
  readonly xmlAttributes: string[];
  readonly anomalies: Set<Anomaly>;
}

/** Arguments beyond this number are not looked at, which is an anomaly. */
export const maxArguments = 1000;
/** Of objects in objects, and of elements in elements. */
export const maxDepth = 64;
/**
 * Of all names of a JSON text together, each with what it is in: a long one over many short values would otherwise be looked
 * at again with each of them.
 */
export const maxNameOctets = 131_072;

export const emptyContent = (processor: BodyContent['processor']): BodyContent => ({
  processor,
  args: [],
  files: [],
  partHeaders: [],
  xmlTexts: [],
  xmlAttributes: [],
  anomalies: new Set(),
});
