import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Ajv2020 } from 'ajv/dist/2020.js';
import type { ValidateFunction } from 'ajv';

/**
 * Validates records by the rules of OCSF 1.8.0 that JSON Schema cannot say, and against its published schemas where they
 * are at hand: beside the project where it is developed and tested, or where POSTERN_OCSF_SCHEMAS says.
 */
const schemaDirectory =
  process.env['POSTERN_OCSF_SCHEMAS'] ?? fileURLToPath(new URL('../../../shared/ocsf', import.meta.url));
const schemaFile = (classUid: number): string => join(schemaDirectory, `ocsf-1.8.0-${classUid}.schema.json`);

export const hasOcsfSchemas = existsSync(schemaFile(4002));
if (!hasOcsfSchemas && process.env['POSTERN_OCSF_SCHEMAS'] !== undefined)
  throw new Error(`POSTERN_OCSF_SCHEMAS: ${schemaFile(4002)} does not exist`);

/** Attributes that belong to a profile: only records that declare it may have them. */
const profileAttributes: Readonly<Record<string, readonly string[]>> = {
  host: ['actor', 'device'],
  network_proxy: [
    'proxy_connection_info',
    'proxy_endpoint',
    'proxy_http_request',
    'proxy_http_response',
    'proxy_tls',
    'proxy_traffic',
  ],
  security_control: [
    'action',
    'action_id',
    'attacks',
    'authorizations',
    'confidence',
    'confidence_id',
    'confidence_score',
    'disposition',
    'disposition_id',
    'firewall_rule',
    'is_alert',
    'malware',
    'malware_scan_info',
    'policy',
    'risk_details',
    'risk_level',
    'risk_level_id',
    'risk_score',
  ],
};

const ajv = new Ajv2020({ strict: false, allErrors: true });
const validators = new Map<number, ValidateFunction>();

function validatorOf(classUid: number): ValidateFunction {
  const known = validators.get(classUid);
  if (known !== undefined) return known;
  const validate = ajv.compile(JSON.parse(readFileSync(schemaFile(classUid), 'utf8')) as object);
  validators.set(classUid, validate);
  return validate;
}

/** All that is wrong with a record. */
export function validateOcsf(record: Readonly<Record<string, unknown>>): string[] {
  return [
    ...(hasOcsfSchemas ? schemaProblems(record) : []),
    ...checkTypeUid(record),
    ...checkMetadata(record),
    ...checkMembers('', record),
  ];
}

function schemaProblems(record: Readonly<Record<string, unknown>>): string[] {
  const classUid = Number(record['class_uid']);
  if (!existsSync(schemaFile(classUid))) return [`class_uid ${classUid} has no schema here`];
  const validate = validatorOf(classUid);
  return validate(record)
    ? []
    : (validate.errors ?? []).map(
        ({ instancePath, message, params }) => `${instancePath} ${message} ${JSON.stringify(params)}`,
      );
}

function checkTypeUid(record: Readonly<Record<string, unknown>>): string[] {
  const expected = Number(record['class_uid']) * 100 + Number(record['activity_id']);
  return record['type_uid'] === expected ? [] : [`type_uid ${String(record['type_uid'])} is not ${expected}`];
}

function checkMetadata(record: Readonly<Record<string, unknown>>): string[] {
  const { version, profiles = [] } = (record['metadata'] ?? {}) as { version?: string; profiles?: string[] };
  const problems = version === '1.8.0' ? [] : [`metadata.version is ${version}`];
  for (const [profile, attributes] of Object.entries(profileAttributes))
    if (!profiles.includes(profile))
      for (const attribute of attributes)
        if (Object.hasOwn(record, attribute))
          problems.push(`${attribute} belongs to profile ${profile}, which is not declared`);
  return problems;
}

/** Between 2001 and 2286 as milliseconds: seconds and microseconds both fall outside. */
const isEpochMs = (value: unknown): boolean =>
  typeof value === 'number' && Number.isInteger(value) && value > 1e12 && value < 1e13;

const captionOf = (name: string): string =>
  name === 'activity_id' ? 'activity_name' : name.slice(0, -'_id'.length);

function checkMembers(path: string, value: unknown): string[] {
  if (Array.isArray(value)) return value.flatMap((item, index) => checkMembers(`${path}[${index}]`, item));
  if (value === null || typeof value !== 'object') return [];
  const problems: string[] = [];
  for (const [name, member] of Object.entries(value)) {
    const at = `${path}/${name}`;
    // Ours: OCSF says nothing about it.
    if (at === '/unmapped') continue;
    if ((name === 'time' || name.endsWith('_time')) && !isEpochMs(member))
      problems.push(`${at} ${String(member)} is no epoch in milliseconds`);
    if (name.endsWith('_id') && member === 99 && !Object.hasOwn(value, captionOf(name)))
      problems.push(`${at} is 99 without ${captionOf(name)}`);
    problems.push(...checkMembers(at, member));
  }
  return problems;
}
