import type { SinkFormat } from '../../contract/sinks.ts';
import { asciiJson } from '../record/safe-text.ts';
import { formatCef } from './cef.ts';
import { formatEcs } from './ecs.ts';

/** A record as one line of text, without a line feed. It takes any record, also of a class that it does not know. */
export type Format = (record: Readonly<Record<string, unknown>>) => string;

export const formats: Readonly<Record<SinkFormat, Format>> = {
  ocsf: asciiJson,
  ecs: formatEcs,
  cef: formatCef,
};
