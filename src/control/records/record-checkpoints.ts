import { createPrivateKey, createPublicKey, generateKeyPairSync } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { FastifyBaseLogger } from 'fastify';
import { KeyFileError, readPrivateKeyFile, writePrivateKeyFile } from '../../../certs/key-file.ts';
import { dataDirectory } from '../../contract/data-directory.ts';
import type { FlowStream } from '../../flow/spool/chain.ts';
import type { CheckpointedRecords } from '../../flow/checkpoints/checkpoint.ts';
import { startCheckpointer } from '../../flow/checkpoints/checkpointer.ts';
import type { Checkpointer } from '../../flow/checkpoints/checkpointer.ts';
import { replaceFile } from '../../ledger/durable-file.ts';
import { lockForThisProcess } from '../../ledger/sqlite/process-lock.ts';
import { DataDirectoryError } from '../store/open-data-directory.ts';

/**
 * The key that signs checkpoints of records, made at the first start. It is the control process's: workers run as another
 * user and cannot read it, so that whoever takes one over cannot write anew what was signed. Its public half lies beside
 * the certificates, with those of keys before it. @throws KeyFileError
 */
export async function loadCheckpointKey(data: string, passphrase: string | undefined): Promise<KeyObject> {
  const path = join(data, dataDirectory.checkpointKey);
  if (!existsSync(path)) {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const pem = privateKey.export({ format: 'pem', type: 'pkcs8' });
    // A server of another role may have the same directory, and was quicker.
    await writePrivateKeyFile(path, pem, passphrase).catch((error: unknown) => {
      if (!(error instanceof KeyFileError) || !existsSync(path)) throw error;
    });
  }
  const key = createPrivateKey(await readPrivateKeyFile(path, passphrase));
  await publish(join(data, dataDirectory.checkpointPublicKeys), key);
  return key;
}

async function publish(path: string, key: KeyObject): Promise<void> {
  const pem = createPublicKey(key).export({ format: 'pem', type: 'spki' });
  const published = existsSync(path) ? readFileSync(path, 'latin1') : '';
  if (published.includes(pem.trim())) return;
  await mkdir(join(path, '..'), { recursive: true });
  replaceFile(path, Buffer.from(published + pem), 0o644);
}

/**
 * Signs how far the chains in one directory of records are, as long as this process runs. What two processes signed side by side would
 * never be one chain again. @throws DataDirectoryError while another process does the same
 */
export async function startRecordCheckpoints(parts: {
  readonly data: string;
  readonly records: CheckpointedRecords;
  readonly key: KeyObject;
  readonly lifeOf: (stream: FlowStream) => 'live' | 'gone' | 'unknown';
  /** Epoch milliseconds. */
  readonly clock: () => number;
  readonly logger: FastifyBaseLogger;
}): Promise<Checkpointer> {
  const { data, records, logger } = parts;
  const directory = join(data, dataDirectory[records === 'flows' ? 'flows' : 'accessLog']);
  const lock = lockOf(directory);
  try {
    const checkpointer = await startCheckpointer({
      recordDirectory: directory,
      directory: join(data, dataDirectory.checkpoints),
      records,
      privateKey: parts.key,
      lifeOf: parts.lifeOf,
      now: parts.clock,
      onRewritten: (stream) =>
        logger.error({ records, stream }, 'records are not what was signed: see postern flows verify'),
      onFailure: (error) => logger.error({ err: error, records }, 'checkpoint of records not signed'),
    });
    return {
      ...checkpointer,
      async close() {
        await checkpointer.close();
        lock.release();
      },
    };
  } catch (error) {
    lock.release();
    throw error;
  }
}

function lockOf(directory: string): { release(): void } {
  try {
    return lockForThisProcess(`${directory}.lock`);
  } catch (error) {
    throw new DataDirectoryError(
      `another process signs the records in ${directory}: run one \`postern serve\` on a data directory`,
      { cause: error },
    );
  }
}
