import { chmod, mkdir, open, readdir, rm } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { createAuthorities } from '../../certs/authority.ts';
import { writePrivateKeyFile } from '../../certs/key-file.ts';
import { dataDirectory, dataFormat } from '../contract/data-directory.ts';
import { createApiKey } from '../control/api/api-key.ts';
import { openSigningKeyFiles } from '../control/keys/signing-key-files.ts';
import type { ControlEvent } from '../domain/events.ts';
import { planRotation } from '../identity/signing-keys.ts';
import { emptyState } from '../ledger/fold.ts';
import { openSqliteLedger } from '../ledger/sqlite/sqlite-ledger.ts';
import { CliError, exitCodes } from './cli-error.ts';
import { settingsTemplate } from './settings-template.ts';

export interface InitOptions {
  /** Absolute path of a directory that is empty or not there yet. */
  readonly directory: string;
  readonly domain: string;
  readonly passphrase: string | undefined;
  readonly now: Date;
}

export interface InitResult {
  /** Known to nobody else: the ledger has its hash. */
  readonly apiKey: string;
  readonly rootPem: string;
}

/**
 * Makes a data directory: authorities, signing keys, ledger, settings. What was begun is removed when it cannot be
 * finished, and FORMAT comes last, so that half of one is never taken for a whole. @throws CliError
 */
export async function initData(options: InitOptions): Promise<InitResult> {
  const { directory } = options;
  const existed = await readEntries(directory);
  if (existed !== undefined && existed.length > 0)
    throw new CliError(exitCodes.invalid, `${directory} is not empty; nothing in it was touched`);
  try {
    if (existed === undefined) await makeDirectory(directory);
    return await fill(options);
  } catch (error) {
    // All that is in it now is ours, but for what someone put there meanwhile; names of ours alone are removed.
    for (const name of await ownEntries(directory))
      await rm(join(directory, name), { recursive: true, force: true });
    if (existed === undefined) await rm(directory, { recursive: true, force: true });
    if (error instanceof CliError) throw error;
    throw new CliError(exitCodes.invalid, `${directory} could not be set up: ${(error as Error).message}`);
  }
}

/** Others may pass through, since workers run as another user; they may read no more than what each file lets them. */
async function makeDirectory(directory: string): Promise<void> {
  await mkdir(directory, { recursive: true });
  await chmod(directory, 0o711);
}

async function readEntries(directory: string): Promise<string[] | undefined> {
  try {
    return await readdir(directory);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw new CliError(exitCodes.invalid, `${directory} cannot be used: ${(error as Error).message}`);
  }
}

async function ownEntries(directory: string): Promise<string[]> {
  const own = new Set(Object.values(dataDirectory).map((path) => path.split('/')[0]));
  const entries = (await readEntries(directory).catch(() => undefined)) ?? [];
  return entries.filter((name) => own.has(name) || name.startsWith(dataDirectory.ledger));
}

async function fill({ directory, domain, passphrase, now }: InitOptions): Promise<InitResult> {
  const at = (path: string): string => join(directory, path);
  const authorities = await createAuthorities({ domain, now });
  await mkdir(at('certs'), { mode: 0o755 });
  await mkdir(at('keys'), { mode: 0o700 });
  await mkdir(at(dataDirectory.flows), { mode: 0o700 });
  await mkdir(at(dataDirectory.accessLog), { mode: 0o700 });
  await writeFileOnce(at(dataDirectory.rootCertificate), authorities.root.certificatePem, 0o644);
  await writeFileOnce(at(dataDirectory.deviceAuthorityCertificate), authorities.device.certificatePem, 0o644);
  await writeFileOnce(
    at(dataDirectory.serviceAuthorityCertificate),
    authorities.service.certificatePem,
    0o644,
  );
  await writePrivateKeyFile(at(dataDirectory.rootKey), authorities.root.privateKeyPem, passphrase);
  await writePrivateKeyFile(
    at(dataDirectory.deviceAuthorityKey),
    authorities.device.privateKeyPem,
    passphrase,
  );
  await writePrivateKeyFile(
    at(dataDirectory.serviceAuthorityKey),
    authorities.service.privateKeyPem,
    passphrase,
  );

  const nowSeconds = Math.floor(now.getTime() / 1000);
  const files = openSigningKeyFiles(directory, passphrase);
  const events: ControlEvent[] = [{ type: 'organization-created', domain }];
  for (const use of planRotation(emptyState(), nowSeconds).publish)
    events.push({ type: 'key-published', key: await files.create(use, nowSeconds) });
  const { key: apiKey, event } = createApiKey({ name: 'admin', role: 'owner' });
  events.push(event);
  const ledger = openSqliteLedger(at(dataDirectory.ledger), { create: true, now: () => now.getTime() });
  try {
    await ledger.append((await ledger.head()).hash, 'postern:init', events);
  } finally {
    await ledger.close();
  }

  await writeFileOnce(
    at(dataDirectory.settings),
    settingsTemplate({ domain, controlNames: controlNames() }),
    0o644,
  );
  await writeFileOnce(at(dataDirectory.format), `${dataFormat}\n`, 0o644);
  return { apiKey, rootPem: authorities.root.certificatePem };
}

/** How this machine is reached from itself, and its own name where it can stand in a certificate. */
function controlNames(): string[] {
  const name = hostname().toLowerCase();
  const isDnsName = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$/.test(name);
  return [...new Set(['localhost', '127.0.0.1', '::1', ...(isDnsName ? [name] : [])])];
}

async function writeFileOnce(path: string, text: string, mode: number): Promise<void> {
  const file = await open(path, 'wx', mode);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}
