import { Type } from 'typebox';
import type { Static } from 'typebox';
import { Value } from 'typebox/value';
import { checkTrusted, spawnTrusted } from './run-trusted.ts';

export const nft = '/usr/sbin/nft';
/** Of util-linux, which every Debian has: ends what it runs with whoever ran it, also where that was killed. */
const setpriv = '/usr/bin/setpriv';

/** libnftables-json(5), only what is looked at. */
const Ruleset = Type.Object({
  nftables: Type.Array(
    Type.Object({
      chain: Type.Optional(
        Type.Object({
          family: Type.String(),
          table: Type.String(),
          name: Type.String(),
          hook: Type.Optional(Type.String()),
          policy: Type.Optional(Type.String()),
        }),
      ),
      rule: Type.Optional(
        Type.Object({
          family: Type.String(),
          table: Type.String(),
          chain: Type.String(),
          expr: Type.Array(Type.Record(Type.String(), Type.Unknown())),
        }),
      ),
    }),
  ),
});
type Rule = NonNullable<Static<typeof Ruleset>['nftables'][number]['rule']>;
type Verdict = 'accept' | 'refuse';

/** What a rule does with every packet that reaches it; undefined for one that is about some of them only. */
function verdictOnAll({ expr }: Rule): Verdict | undefined {
  // One expression only: with a match before it, it would be about some packets and not about the rest.
  const [verdict, ...conditions] = expr.filter((part) => !('counter' in part) && !('log' in part));
  if (verdict === undefined || conditions.length > 0) return undefined;
  if ('accept' in verdict) return 'accept';
  return 'drop' in verdict || 'reject' in verdict ? 'refuse' : undefined;
}

export type Family = 'ip' | 'ip6';

/** For which families a chain of incoming packets lets through only what it names: by a last word, or by its policy. */
export function refusedFamilies(output: string): ReadonlySet<Family> {
  const ruleset: unknown = JSON.parse(output);
  if (!Value.Check(Ruleset, ruleset)) throw new Error('nft answered something else');
  const rules = ruleset.nftables.flatMap(({ rule }) => (rule === undefined ? [] : [rule]));
  const families = new Set<Family>();
  for (const { chain } of ruleset.nftables) {
    if (chain?.hook !== 'input') continue;
    const own = rules.filter(
      (rule) => rule.table === chain.table && rule.family === chain.family && rule.chain === chain.name,
    );
    const word = own.map(verdictOnAll).find((verdict) => verdict !== undefined);
    if ((word ?? (chain.policy === 'drop' ? 'refuse' : 'accept')) !== 'refuse') continue;
    if (chain.family === 'inet' || chain.family === 'ip') families.add('ip');
    if (chain.family === 'inet' || chain.family === 'ip6') families.add('ip6');
  }
  return families;
}

/** The same of what `iptables-legacy-save` or `ip6tables-legacy-save` prints; its rules are in another part of the kernel. */
export function refusesInIptables(output: string): boolean {
  const filter = /^\*filter$([\s\S]*?)^COMMIT$/m.exec(output)?.[1] ?? '';
  const [, policy] = /^:INPUT (\S+)/m.exec(filter) ?? [];
  const lastWord = /^-A INPUT(?: -m comment --comment (?:"[^"]*"|\S+))? -j (ACCEPT|DROP|REJECT)\b/m.exec(
    filter,
  )?.[1];
  return (lastWord ?? policy) === 'DROP' || (lastWord ?? policy) === 'REJECT';
}

/**
 * Calls back whenever the kernel says that rules of its packet filter changed, until the signal aborts. It costs nothing
 * while they do not. Where `nft monitor` cannot run, nothing is called; who relies on it looks now and then as well.
 */
export async function watchPacketFilter(onChange: () => void, signal: AbortSignal): Promise<void> {
  let monitor;
  try {
    await checkTrusted(nft);
    monitor = await spawnTrusted(setpriv, ['--pdeathsig', 'KILL', '--', nft, 'monitor'], signal);
  } catch {
    return;
  }
  monitor.stdout?.on('data', onChange);
  await new Promise<void>((resolve) => {
    monitor.once('error', () => resolve());
    monitor.once('exit', () => resolve());
  });
}
