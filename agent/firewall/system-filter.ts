import { runTrusted } from '../posture/run-trusted.ts';
import { packetFilterOf } from './packet-filters.ts';
import type { PacketFilter } from './packet-filters.ts';

const commandLimitMs = 10_000;

/** The packet filter of this machine. */
export const systemFilter = (): PacketFilter =>
  packetFilterOf(process.platform, (path, args, options) =>
    runTrusted(path, args, { timeoutMs: commandLimitMs, ...options }),
  );
