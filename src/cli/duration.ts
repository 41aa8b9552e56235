import { InvalidArgumentError } from 'commander';

const unitSeconds: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 };

/** `90s`, `15m`, `24h` or `7d` in seconds. */
export function parseDuration(text: string): number {
  const match = /^(\d{1,9})([smhd])$/.exec(text);
  if (match === null) throw new InvalidArgumentError('write a number and a unit: 90s, 15m, 24h or 7d');
  return Number(match[1]) * (unitSeconds[match[2] ?? ''] ?? 1);
}
