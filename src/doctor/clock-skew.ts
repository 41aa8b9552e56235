import type { Finding } from './finding.ts';

/** Certificates are backdated by five minutes and tokens live for ten; a minute is noticed before anything breaks. */
export const skewLimits = { warningMs: 5000, errorMs: 60_000 };

export const inSeconds = (ms: number): string => `${Math.round(Math.abs(ms) / 1000)} s`;

/** Judges how far the clock called `one` is ahead of that of `other`. */
export function judgeSkew(one: string, other: string, aheadMs: number): Finding[] {
  const skew = Math.abs(aheadMs);
  if (skew < skewLimits.warningMs) return [];
  return [
    {
      level: skew < skewLimits.errorMs ? 'warning' : 'error',
      what: `${one} is ${inSeconds(skew)} ${aheadMs < 0 ? 'behind' : 'ahead of'} that of ${other}`,
      how: 'let a time service (chrony, systemd-timesyncd) set it: certificates and tokens are refused by clocks that differ',
    },
  ];
}
