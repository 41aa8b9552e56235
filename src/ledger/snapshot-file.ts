import { hash } from 'node:crypto';
import { closeSync, openSync, readFileSync, readSync } from 'node:fs';
import type { ControlState, LedgerHead, LostTime } from '../domain/control-state.ts';
import { replaceFile } from './durable-file.ts';
import { foldVersion } from './fold.ts';

const format = 'postern-ledger-snapshot-1';

interface Header {
  readonly format: string;
  readonly foldVersion: number;
  readonly head: LedgerHead;
  /** Of the body, lower-case hexadecimal. */
  readonly sha256: string;
}

/**
 * Keeps a copy of the fold, so that a start need not fold the log from its beginning. One line of header, one of body.
 * It is a convenience and never the truth: whoever loads it compares its head with the log.
 */
export function writeSnapshot(path: string, state: ControlState): void {
  const body = Buffer.from(
    JSON.stringify(state, (_, value: unknown) => (value instanceof Map ? [...value] : value)),
  );
  const header: Header = { format, foldVersion, head: state.head, sha256: hash('sha256', body, 'hex') };
  replaceFile(path, Buffer.concat([Buffer.from(`${JSON.stringify(header)}\n`), body]));
}

/**
 * Where a snapshot of this version claims to end, without looking at its body; `undefined` where there is none that can
 * be read.
 */
export function readSnapshotHead(path: string): LedgerHead | undefined {
  const start = Buffer.alloc(1024);
  try {
    const file = openSync(path, 'r');
    try {
      readSync(file, start);
    } finally {
      closeSync(file);
    }
    return parseHeader(start)?.head;
  } catch {
    // Whoever reads all of it says what is wrong with it.
    return undefined;
  }
}

/** `undefined` for a header of another version. @throws for one that is damaged. */
function parseHeader(bytes: Buffer): Header | undefined {
  const header = JSON.parse(bytes.toString('utf8', 0, bytes.indexOf('\n'))) as Header;
  return header.format === format && header.foldVersion === foldVersion ? header : undefined;
}

/** The state in a snapshot, `undefined` where there is none, or the reason why it cannot be used. */
export function readSnapshot(path: string): ControlState | undefined | { readonly problem: string } {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    return { problem: `snapshot cannot be read: ${(error as Error).message}` };
  }
  try {
    const header = parseHeader(bytes);
    if (header === undefined) return { problem: 'snapshot is of another version' };
    const body = bytes.subarray(bytes.indexOf('\n') + 1);
    if (hash('sha256', body, 'hex') !== header.sha256) return { problem: 'snapshot is damaged' };
    return revive(JSON.parse(body.toString('utf8')) as Record<keyof ControlState, unknown>);
  } catch (error) {
    return { problem: `snapshot is damaged: ${(error as Error).message}` };
  }
}

type Serialized = Record<keyof ControlState, unknown>;

function revive(stored: Serialized): ControlState {
  const map = <Key, Value>(name: keyof ControlState): Map<Key, Value> =>
    new Map(stored[name] as [Key, Value][]);
  return {
    head: stored.head as LedgerHead,
    domain: stored.domain as string,
    devices: map('devices'),
    deviceHistory: map('deviceHistory'),
    networks: map('networks'),
    apps: map('apps'),
    groups: map('groups'),
    policies: map('policies'),
    administrators: map('administrators'),
    firewalls: map('firewalls'),
    enrollmentTokens: map('enrollmentTokens'),
    apiKeys: map('apiKeys'),
    signingKeys: map('signingKeys'),
    endedSignIns: map('endedSignIns'),
    erasedPeople: map('erasedPeople'),
    lostTimes: stored.lostTimes as readonly LostTime[],
    proposals: map('proposals'),
  };
}
