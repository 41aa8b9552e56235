import { randomBytes } from 'node:crypto';
import type { RedisSettings } from '../../src/contract/redis-settings.ts';
import type { Ledger } from '../../src/ledger/ledger.ts';
import { readRedisAddress } from '../../src/ledger/redis/redis-address.ts';
import type { RedisAddress } from '../../src/ledger/redis/redis-address.ts';
import type { FreshLedger } from '../ledger/ledger-contract.ts';

/** A prefix that no other test has, so that many ledgers share a server. */
export const freshPrefix = (): string => `t${randomBytes(6).toString('hex')}`;

export const addressOf = (settings: Partial<RedisSettings>): RedisAddress =>
  readRedisAddress({ prefix: freshPrefix(), ...settings }, '/');

export const portAddress = (port: number, settings: Partial<RedisSettings> = {}): RedisAddress =>
  addressOf({ url: `redis://127.0.0.1:${port}`, ...settings });

/** Handles on one log, closed together. */
export function freshLedger(open: () => Promise<Ledger>): FreshLedger {
  const handles: Ledger[] = [];
  return {
    async open() {
      const ledger = await open();
      handles.push(ledger);
      return ledger;
    },
    async dispose() {
      for (const handle of handles) await handle.close();
    },
  };
}
