import type { SinkSettings } from '../../contract/sinks.ts';
import { asciiJson } from '../safe-text.ts';

/** A record as one line of text, without a line feed. It takes any record, also of a class that it does not know. */
export type Format = (record: Readonly<Record<string, unknown>>) => string;

export const formats: Readonly<Record<SinkSettings['format'], Format>> = {
  ocsf: asciiJson,
};
