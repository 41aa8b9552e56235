import { Type } from 'typebox';
import type { Static } from 'typebox';
import { Value } from 'typebox/value';
import { dataDirectory } from '../contract/data-directory.ts';
import { BackupError } from './backup-error.ts';

/**
 * A backup is a tar in an age file, so that on a bad day `age -d FILE | tar x` and `sha256sum -c SHA256SUMS` open it
 * without us. Its members, in this order: the manifest, the data directory's files under `data/`, the ledger's entries as
 * lines of JSON under `ledger/` (each file named after its first entry), and the sums of all before.
 */
export const archiveFormat = 'postern-backup-1';

export const members = {
  manifest: 'manifest.json',
  data: 'data/',
  ledger: 'ledger/',
  sums: 'SHA256SUMS',
} as const;

/** What is held in memory at once. */
export const maxMemberBytes = 64 * 1024 * 1024;

const strict = { additionalProperties: false } as const;
const Manifest = Type.Object(
  {
    format: Type.Literal(archiveFormat),
    /** Version of the program that made it. */
    postern: Type.String({ maxLength: 40 }),
    dataFormat: Type.String({ maxLength: 40 }),
    /** Epoch seconds. */
    createdAt: Type.Integer({ minimum: 0 }),
    domain: Type.String({ maxLength: 253 }),
    /** Where the data directory was, on which machine. */
    host: Type.String({ maxLength: 253 }),
    directory: Type.String({ maxLength: 4096 }),
    /** Several servers write the ledger, each with signing keys of its own: not all are in this backup. */
    isShared: Type.Boolean(),
    head: Type.Object(
      { sequence: Type.Integer({ minimum: 1 }), hash: Type.String({ pattern: '^[0-9a-f]{64}$' }) },
      strict,
    ),
  },
  strict,
);
export type Manifest = Static<typeof Manifest>;

/** @throws BackupError for one of another format, which is never guessed at. */
export function parseManifest(bytes: Uint8Array): Manifest {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    throw new BackupError('damaged', 'it does not begin with the manifest of a backup');
  }
  if (Value.Check(Manifest, value)) return value;
  const format = typeof value === 'object' && value !== null && 'format' in value ? value.format : undefined;
  if (typeof format === 'string' && format !== archiveFormat)
    throw new BackupError(
      'refused',
      `it has the format ${JSON.stringify(format.slice(0, 40))}, and this version of postern reads ${archiveFormat} only: use the version that made it`,
    );
  throw new BackupError('damaged', 'its manifest is not one that postern writes');
}

const segment = '[A-Za-z0-9_][A-Za-z0-9._@+-]{0,127}';
const pathShape = new RegExp(`^${segment}(?:/${segment}){0,7}$`);

/** Whether a path below the data directory can be a member: no way up, nothing hidden, nothing that a shell would read. */
export const isMemberPath = (path: string): boolean => pathShape.test(path);

/** Without these no server starts, so that a backup without them is none. */
export const requiredPaths: readonly string[] = [
  dataDirectory.format,
  dataDirectory.settings,
  dataDirectory.rootCertificate,
  dataDirectory.deviceAuthorityCertificate,
  dataDirectory.serviceAuthorityCertificate,
  dataDirectory.deviceAuthorityKey,
  dataDirectory.serviceAuthorityKey,
];
