import { InvalidArgumentError } from 'commander';
import { parseDuration } from './duration.ts';

const moment = /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d{1,3})?)?(Z|[+-]\d{2}:\d{2}))?$/;

/** `7d` ago, a day (its beginning, in UTC), or a time with its zone as RFC 3339 writes it; in epoch milliseconds. */
export function parseMoment(text: string): number {
  if (/^\d+[smhd]$/.test(text)) return Date.now() - parseDuration(text) * 1000;
  const time = moment.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(time))
    throw new InvalidArgumentError(
      'write how long ago (90s, 15m, 24h, 7d), 2026-11-27, or 2026-11-27T13:00:00Z',
    );
  return time;
}
