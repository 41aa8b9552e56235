import { InvalidArgumentError } from 'commander';

const dayMs = 86_400_000;
const weekdays = ['sunday', 'monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday'];

/** A day in UTC, in epoch milliseconds: from its beginning to that of the next. */
export interface Day {
  readonly since: number;
  readonly until: number;
}

/** `2026-11-24`, `today`, `yesterday`, or the last `tuesday` before today. */
export function parseDay(text: string, now: number): Day {
  const today = Math.floor(now / dayMs) * dayMs;
  const since = beginningOf(text.toLowerCase(), today);
  if (since === undefined || Number.isNaN(since))
    throw new InvalidArgumentError('write a day: 2026-11-24, today, yesterday, tuesday');
  return { since, until: since + dayMs };
}

function beginningOf(word: string, today: number): number | undefined {
  if (word === 'today') return today;
  if (word === 'yesterday') return today - dayMs;
  const weekday = weekdays.indexOf(word);
  if (weekday === -1) return /^\d{4}-\d{2}-\d{2}$/.test(word) ? Date.parse(word) : undefined;
  const back = (new Date(today).getUTCDay() - weekday + 7) % 7;
  return today - (back === 0 ? 7 : back) * dayMs;
}
