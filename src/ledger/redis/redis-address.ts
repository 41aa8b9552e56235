import { readFileSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import type { RedisSettings } from '../../contract/redis-settings.ts';
import { LedgerUnavailable } from '../ledger.ts';

export interface RedisNode {
  readonly host: string;
  readonly port: number;
}

/** Where a Redis is and how to prove who we are: the settings with their files read. Holds a secret: never log it. */
export interface RedisAddress {
  readonly topology:
    | { readonly kind: 'single'; readonly node: RedisNode; readonly database: number }
    | { readonly kind: 'sentinel'; readonly sentinels: readonly RedisNode[]; readonly master: string }
    | { readonly kind: 'cluster'; readonly nodes: readonly RedisNode[] };
  readonly tls: { readonly ca?: string } | undefined;
  readonly username: string | undefined;
  readonly password: string | undefined;
  readonly sentinelUsername: string | undefined;
  readonly sentinelPassword: string | undefined;
  /** Begins every key of ours, as the hash tag that puts them all into one slot of a cluster. */
  readonly prefix: string;
  /** How many replicas must have an append before it is acknowledged. */
  readonly waitForReplicas: number;
  /** For people: where it is, without secrets. */
  readonly name: string;
}

const defaultPorts = { server: 6379, sentinel: 26_379 } as const;

/**
 * Reads what the settings name. Files are relative to `directory`, that of the settings file.
 * @throws LedgerUnavailable for a file that cannot be read, or a password that every user of this machine can read.
 */
export function readRedisAddress(settings: RedisSettings, directory: string): RedisAddress {
  const { url, sentinels, master, cluster, caFile } = settings;
  const urls = url !== undefined ? [url] : (sentinels ?? cluster ?? []);
  const isTls = urls.every((each) => each.startsWith('rediss:'));
  const nodes = urls.map((each) => parseNode(each, sentinels === undefined ? 'server' : 'sentinel'));
  const [first] = nodes;
  if (first === undefined) throw new TypeError('settings of Redis without an address');
  return {
    topology:
      sentinels !== undefined
        ? { kind: 'sentinel', sentinels: nodes, master: master ?? '' }
        : cluster !== undefined
          ? { kind: 'cluster', nodes }
          : { kind: 'single', node: first, database: Number(new URL(urls[0] ?? '').pathname.slice(1) || 0) },
    tls: isTls
      ? caFile === undefined
        ? {}
        : { ca: readText(resolve(directory, caFile), 'caFile') }
      : undefined,
    username: settings.username,
    password: readSecret(settings.passwordFile, directory, 'passwordFile'),
    sentinelUsername: settings.sentinelUsername,
    sentinelPassword: readSecret(settings.sentinelPasswordFile, directory, 'sentinelPasswordFile'),
    prefix: settings.prefix,
    waitForReplicas: settings.waitForReplicas ?? 0,
    name: `Redis at ${urls.join(', ')}${master === undefined ? '' : ` (${master})`}`,
  };
}

function parseNode(text: string, kind: keyof typeof defaultPorts): RedisNode {
  const { hostname, port } = new URL(text);
  return {
    host: hostname.replace(/^\[(.*)\]$/, '$1'),
    port: port === '' ? defaultPorts[kind] : Number(port),
  };
}

/** The first line of a file that not everyone can read. */
function readSecret(path: string | undefined, directory: string, setting: string): string | undefined {
  if (path === undefined) return undefined;
  const file = resolve(directory, path);
  const text = readText(file, setting);
  if ((statSync(file).mode & 0o007) !== 0)
    throw new LedgerUnavailable(`${setting} ${file} can be read by every user of this machine: chmod o= it`);
  const [line = ''] = text.split('\n', 1);
  if (line === '') throw new LedgerUnavailable(`${setting} ${file} has an empty first line`);
  return line;
}

function readText(path: string, setting: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new LedgerUnavailable(`${setting} ${path} cannot be read: ${(error as Error).message}`, {
      cause: error,
    });
  }
}
