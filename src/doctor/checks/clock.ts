import { redisClockAheadMs } from '../../control/clock-offset.ts';
import { openLedger } from '../../control/store/open-ledger.ts';
import { inSeconds, judgeSkew, skewLimits } from '../clock-skew.ts';
import type { DoctorFacts } from '../facts.ts';
import type { Check } from '../finding.ts';
import { ok, unknown } from '../finding.ts';

/** Compares this machine's clock with those that the settings lead to: Redis, the identity provider, the ledger's last entry. */
export const clockCheck: Check = {
  name: 'clock',
  limitMs: 10_000,
  async run(facts) {
    const others = await Promise.all([redisClock(facts), issuerClock(facts)]);
    const known = others.filter((other) => other !== undefined);
    const found = known.flatMap(({ name, aheadMs }) => judgeSkew('this clock', name, -aheadMs));
    const lastAt = await lastEntryAt(facts).catch(() => undefined);
    if (lastAt !== undefined && lastAt - Date.now() > skewLimits.warningMs)
      found.push({
        level: 'error',
        what: `the ledger's last entry is ${inSeconds(lastAt - Date.now())} in the future: this clock was set back, or another server's is ahead`,
        how: 'let a time service (chrony, systemd-timesyncd) set the clocks of all servers',
      });
    if (found.length > 0) return found;
    if (known.length > 0) return ok(`agrees with ${known.map(({ name }) => name).join(' and ')}`);
    return unknown(
      'no other clock to compare with: the settings name no Redis and no identity provider that answers',
    );
  },
};

interface OtherClock {
  readonly name: string;
  readonly aheadMs: number;
}

async function redisClock({ settings, configFile }: DoctorFacts): Promise<OtherClock | undefined> {
  const aheadMs = await redisClockAheadMs(settings, configFile);
  return aheadMs === undefined ? undefined : { name: 'Redis', aheadMs };
}

/** By the Date field of its answer, which counts whole seconds. */
async function issuerClock({ settings }: DoctorFacts): Promise<OtherClock | undefined> {
  const { signIn } = settings;
  if (signIn === undefined) return undefined;
  try {
    const response = await fetch(signIn.issuer, {
      method: 'HEAD',
      redirect: 'manual',
      signal: AbortSignal.timeout(3000),
    });
    const at = Date.parse(response.headers.get('date') ?? '');
    return Number.isNaN(at) ? undefined : { name: 'the identity provider', aheadMs: at + 500 - Date.now() };
  } catch {
    return undefined;
  }
}

async function lastEntryAt({ settings, configFile, state }: DoctorFacts): Promise<number | undefined> {
  if ('problem' in state) return undefined;
  const ledger = openLedger(settings, configFile, { vouchedFor: state.head });
  try {
    const { sequence } = await ledger.head();
    for await (const { at } of ledger.read(Math.max(0, sequence - 1))) return at;
    return undefined;
  } finally {
    await ledger.close();
  }
}
