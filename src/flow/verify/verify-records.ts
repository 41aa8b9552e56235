import { createPublicKey } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { dataDirectory } from '../../contract/data-directory.ts';
import { parseCheckpointFileName } from '../checkpoints/checkpoint.ts';
import type { CheckpointedRecords } from '../checkpoints/checkpoint.ts';
import type { FlowReport } from './flow-report.ts';
import { parseHeadName } from '../spool/segment-names.ts';
import { verifyFlows } from './verify-flows.ts';

/** A file of public keys that cannot be used. `message` names it. */
export class PublicKeysUnusable extends Error {
  override readonly name = 'PublicKeysUnusable';
}

export interface VerifyRecordsOptions {
  /** Epoch milliseconds: only chains that were written to after that. */
  readonly since?: number;
  /** PEM file with the public keys that are believed, instead of the one that lies in the directory itself. */
  readonly keyFile?: string;
}

const folders = { flows: dataDirectory.flows, access: dataDirectory.accessLog } as const;

/**
 * Verifies all records of a data directory, or of a copy of one: flows, the access log beside them, and both against their
 * signed checkpoints where a server of this version ever ran. Whoever can write all of the directory can put another key
 * there: bring one along in `keyFile`. @throws PublicKeysUnusable, and what the file system throws
 */
export async function verifyRecords(data: string, options: VerifyRecordsOptions = {}): Promise<FlowReport> {
  const { since, keyFile } = options;
  const ownKeys = join(data, dataDirectory.checkpointPublicKeys);
  const keys =
    keyFile !== undefined || existsSync(ownKeys) ? await readPublicKeys(keyFile ?? ownKeys) : undefined;
  const checkpoints = join(data, dataDirectory.checkpoints);
  const reports: FlowReport[] = [];
  for (const records of ['flows', 'access'] as const) {
    const directory = join(data, folders[records]);
    // A server without an API has no access log, and one without workers no flows.
    if (records === 'access' && !existsSync(directory)) continue;
    const isChecked = keys !== undefined && (await isInUse(directory, checkpoints, records));
    const report = await verifyFlows(directory, {
      ...(since === undefined ? {} : { since }),
      ...(isChecked
        ? {
            checkpoints: {
              directory: checkpoints,
              records,
              keys,
              ...(records === 'flows' ? { kept: join(data, dataDirectory.keptRecords) } : {}),
            },
          }
        : {}),
    });
    reports.push(records === 'flows' ? report : withFolder(report, folders[records]));
  }
  return {
    files: reports.reduce((sum, { files }) => sum + files, 0),
    records: reports.reduce((sum, { records }) => sum + records, 0),
    streams: reports.flatMap(({ streams }) => streams),
    problems: reports.flatMap(({ problems }) => problems),
    torn: reports.flatMap(({ torn }) => torn),
    silences: reports.flatMap(({ silences }) => silences),
    retirements: reports.flatMap(({ retirements }) => retirements),
    checkpoints: reports.flatMap(({ checkpoints: found }) => found),
  };
}

async function isInUse(
  directory: string,
  checkpoints: string,
  records: CheckpointedRecords,
): Promise<boolean> {
  const names = existsSync(checkpoints) ? await readdir(checkpoints) : [];
  if (names.some((name) => parseCheckpointFileName(name)?.records === records)) return true;
  return (await readdir(directory)).some((name) => parseHeadName(name) !== undefined);
}

/** Problems of checkpoints have their own folder. */
function withFolder(report: FlowReport, folder: string): FlowReport {
  const named = <Item extends { readonly file: string; readonly worker?: number }>(item: Item): Item =>
    item.worker === undefined ? item : { ...item, file: `${folder}/${item.file}` };
  return { ...report, problems: report.problems.map(named), torn: report.torn.map(named) };
}

async function readPublicKeys(path: string): Promise<KeyObject[]> {
  let text: string;
  try {
    text = await readFile(path, 'latin1');
  } catch (error) {
    throw new PublicKeysUnusable(
      `${path}: cannot be read (${String((error as NodeJS.ErrnoException).code)})`,
    );
  }
  const blocks = text.match(/-----BEGIN PUBLIC KEY-----[^-]+-----END PUBLIC KEY-----/g) ?? [];
  if (blocks.length === 0) throw new PublicKeysUnusable(`${path}: holds no public key (PEM)`);
  return blocks.map((pem) => {
    const key = createPublicKey(pem);
    if (key.asymmetricKeyDetails?.namedCurve !== 'prime256v1')
      throw new PublicKeysUnusable(`${path}: checkpoints are signed with keys on P-256 only`);
    return key;
  });
}
