import { pino } from 'pino';
import type { Level, Logger } from 'pino';
import type { RecentLog } from './recent-log.ts';

/** JSON lines on standard error from that level on; what is worth a line at all is also kept for `doctor`. */
export function createLog(level: string, recent?: RecentLog): Logger {
  const kept = level === 'debug' ? 'debug' : 'info';
  const streams = [
    ...(level === 'silent'
      ? []
      : [{ level: level as Level, stream: pino.destination({ dest: 2, sync: true }) }]),
    ...(recent === undefined ? [] : [{ level: kept, stream: recent } as const]),
  ];
  return pino({ level: kept, base: null }, pino.multistream(streams));
}
