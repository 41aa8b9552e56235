import { isIPv4 } from 'node:net';
import { normalize } from 'node:path';
import type { SinkSettings } from '../../contract/sinks.ts';
import type { ShapeProblem } from '../../domain/check-shape.ts';
import { flowRecordSchemas } from '../schema/classes.ts';
import { AccessRecord, ChangeRecord } from '../schema/control.ts';
import { accessPathOf } from './access-path.ts';

interface Schema {
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly anyOf?: readonly Schema[];
  readonly items?: Schema;
  readonly patternProperties?: Readonly<Record<string, Schema>>;
}

/** Of whatever is delivered. */
const schemas = [...Object.values(flowRecordSchemas), AccessRecord, ChangeRecord];

/** What a receiver tells records apart and puts them in order by stays. */
const kept = /^(metadata|class_uid|category_uid|activity_id|type_uid|time|severity_id)(\.|$)/;

/** Its chain, in which it has a number; or those of the records that a receiver will never see. */
const places = /^unmapped(\.postern(\.(boot|worker|workerStartedAt|gap(\..*)?))?)?$/;

/** What the shape of `sinks` in the settings does not say. Paths are relative to the list. */
export function findSinkProblems(sinks: readonly SinkSettings[]): ShapeProblem[] {
  return sinks.flatMap((sink, index) => [
    ...findTwins(sinks, index),
    ...findPathTwins(sinks, index),
    ...findRedactionProblems(sink, index),
    ...findTlsProblems(sink, index),
    ...findHttpProblems(sink, index),
    ...findOwnProblems(sinks, index),
  ]);
}

/** Each has a cursor by its name. */
function findTwins(sinks: readonly SinkSettings[], index: number): ShapeProblem[] {
  const name = sinks[index]?.name;
  return sinks.findIndex((other) => other.name === name) === index
    ? []
    : [{ path: [index, 'name'], message: `${name} is listed twice` }];
}

/** Each file is cut where its sink left off. */
function findPathTwins(sinks: readonly SinkSettings[], index: number): ShapeProblem[] {
  const paths = pathsOf(sinks[index]);
  const other = sinks.slice(0, index).find((sink) => pathsOf(sink).some((path) => paths.includes(path)));
  return other === undefined
    ? []
    : [
        {
          path: [index, 'path'],
          message: `is written by ${other.name} already: give each a file of its own`,
        },
      ];
}

/** With the one that the access log may have. */
function pathsOf(sink: SinkSettings | undefined): readonly string[] {
  if (sink?.type !== 'file') return [];
  const path = normalize(sink.path);
  return sink.records === undefined ? [path, accessPathOf(path)] : [path];
}

/** A misspelt member would go out as it is, and nobody would notice. */
function findRedactionProblems({ redact = {} }: SinkSettings, sink: number): ShapeProblem[] {
  return Object.entries(redact).flatMap(([how, members]) =>
    members.flatMap((member, index) => {
      const path = [sink, 'redact', how, index];
      if (kept.test(member)) return [{ path, message: `${member} must stay: receivers work by it` }];
      if (places.test(member))
        return [
          {
            path,
            message: `${member} must stay: by it a receiver tells what is missing, and what came twice`,
          },
        ];
      const isKnown = schemas.some((schema) => has(schema as Schema, member.split('.')));
      return isKnown ? [] : [{ path, message: `flow records have no member ${member}` }];
    }),
  );
}

function has(schema: Schema, path: readonly string[]): boolean {
  const [key, ...rest] = path;
  if (key === undefined) return true;
  const member = Object.hasOwn(schema.properties ?? {}, key) ? schema.properties?.[key] : undefined;
  if (member !== undefined) return has(member, rest);
  if (schema.items !== undefined) return has(schema.items, path);
  if (schema.patternProperties !== undefined)
    return Object.values(schema.patternProperties).some((value) => has(value, rest));
  return (schema.anyOf ?? []).some((branch) => has(branch, path));
}

function findTlsProblems(sink: SinkSettings, index: number): ShapeProblem[] {
  const { certificateFile, keyFile } = ('tls' in sink ? sink.tls : undefined) ?? {};
  return (certificateFile === undefined) === (keyFile === undefined)
    ? []
    : [{ path: [index, 'tls'], message: 'has one of certificateFile and keyFile, and needs both or none' }];
}

/** Of those that are no receivers elsewhere. */
function findOwnProblems(sinks: readonly SinkSettings[], index: number): ShapeProblem[] {
  const sink = sinks[index];
  if (sink?.type !== 'archive' && sink?.type !== 'detections' && sink?.type !== 's3') return [];
  const { type } = sink;
  const format =
    sink.format === 'ocsf'
      ? []
      : [{ path: [index, 'format'], message: `must be ocsf: ${type} takes records as they are` }];
  if (type === 's3') return format;
  return [
    ...format,
    ...(['filter', 'redact', 'records'] as const).flatMap((key) =>
      sink[key] === undefined
        ? []
        : [
            {
              path: [index, key],
              message: `is not for ${type}, which takes each record, as it is`,
            },
          ],
    ),
    ...(sinks.findIndex((other) => other.type === type) === index
      ? []
      : [{ path: [index, 'type'], message: `${type} is there already: a data directory has one` }]),
  ];
}

function findHttpProblems(sink: SinkSettings, index: number): ShapeProblem[] {
  if (!('url' in sink)) return [];
  const problems: ShapeProblem[] = [];
  const { protocol, hostname } = new URL(sink.url);
  const isHere =
    hostname === 'localhost' || hostname === '[::1]' || (isIPv4(hostname) && hostname.startsWith('127.'));
  if (protocol === 'http:' && !isHere)
    problems.push({
      path: [index, 'url'],
      message: 'must be https: records and secrets would pass in clear',
    });
  if (protocol === 'http:' && sink.tls !== undefined)
    problems.push({ path: [index, 'tls'], message: 'is for https, and the URL is http' });
  if (sink.type === 'elasticsearch' && sink.format === 'cef')
    problems.push({ path: [index, 'format'], message: 'must be ecs or ocsf: documents are JSON' });
  return problems;
}
